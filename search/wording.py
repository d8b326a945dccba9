"""How costs, scores and ratios are written in terminal, plot and report, so that all three agree."""

import math

from greenfront.config import CostName
from greenfront.hardware_profiles import Interval

AXIS_TITLES: dict[CostName, str] = {
    "latency_ms": "latency (ms)",
    "size_mb": "size of the weights (MB)",
    "peak_memory_mb": "peak memory (MB)",
    "parameters": "parameters (millions)",
    "flops": "FLOPs of one forward pass (billions)",
}
# What a cost is divided by before it is drawn or written, and the unit that follows the number.
SCALES: dict[CostName, tuple[float, str]] = {
    "latency_ms": (1.0, " ms"),
    "size_mb": (1.0, " MB"),
    "peak_memory_mb": (1.0, " MB"),
    "parameters": (1e6, " M"),
    "flops": (1e9, " G"),
}
ADJECTIVES: dict[CostName, tuple[str, str, str]] = {
    "latency_ms": ("faster", "slower", "fastest"),
    "size_mb": ("smaller", "larger", "smallest"),
    "peak_memory_mb": ("less memory", "more memory", "lightest in memory"),
    "parameters": ("fewer parameters", "more parameters", "fewest in parameters"),
    "flops": ("fewer FLOPs", "more FLOPs", "fewest in FLOPs"),
}


def number(value: float) -> str:
    """Three significant digits, never in scientific notation: `5.23`, `45.1`, `410`, `0.00123`."""
    rounded = float(f"{value:.3g}")
    if not math.isfinite(rounded) or rounded == 0:
        return str(value) if rounded else "0"
    digits = 2 - math.floor(math.log10(abs(rounded)))
    return f"{value:.{max(digits, 0)}f}"


def cost(name: CostName, value: float) -> str:
    """A cost with its unit: `5.23 ms`, `45.1 MB`, `11.2 M`."""
    scale, unit = SCALES[name]
    return number(value / scale) + unit


def score(value: float | None) -> str:
    """A metric with three decimals; `-` where there is none."""
    return "-" if value is None else f"{value:.3f}"


def interval(low_high: tuple[float, float] | None) -> str:
    """The interval of a score, `[0.885, 0.923]`; empty where there is none."""
    return "" if low_high is None else f"[{low_high[0]:.3f}, {low_high[1]:.3f}]"


def latency(of: Interval) -> str:
    """A latency with its interval: `5.23 ms [5.10, 5.40]`."""
    return f"{number(of.median)} ms [{number(of.low)}, {number(of.high)}]"


def ratio(original: float, value: float) -> str:
    """How many times less than the original: `1.84x`; below one when more; `-` when it can't be said."""
    if not value > 0 or not original > 0:
        return "-"
    times = original / value
    return f"{times:.2f}x" if times < 9.995 else f"{times:.1f}x"


def compared(name: CostName, reference: float, value: float) -> str:
    """`value` against `reference` in words: `1.84x faster`, `1.10x larger`, `equal`."""
    better, worse, _ = ADJECTIVES[name]
    if value == reference:
        return "equal"
    return f"{ratio(reference, value)} {better}" if value < reference else f"{ratio(value, reference)} {worse}"


def share(value: float) -> str:
    """A share in per cent with one digit: `12.0%`."""
    return f"{100 * value:.1f}%"


def plain(name: str) -> str:
    """The name of a budget as a word in a sentence: `accuracy drop`."""
    return name.replace("_", " ")
