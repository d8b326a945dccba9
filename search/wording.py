"""How costs, scores and ratios are written in terminal, plot and report, so that all of them agree."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from greenfront.config import COST_OF, HIGHER_IS_BETTER, CostName
from greenfront.evaluators.direction import INVERTED, natural
from greenfront.hardware_profiles.cost import ENERGETIC, Cost, Interval
from greenfront.search.candidate import CandidateScore

_HIGHER = {COST_OF[name] for name in HIGHER_IS_BETTER}


@dataclass(frozen=True)
class Words:
    """A cost in words: its name, what its numbers are divided by and the unit they then have, and comparisons."""

    title: str
    scale: float
    unit: str
    axis_unit: str
    better: str
    worse: str
    best: str


WORDS: dict[CostName, Words] = {
    "latency_ms": Words("latency", 1, " ms", "ms", "faster", "slower", "fastest"),
    "latency_p90_ms": Words(
        "90th percentile of latency", 1, " ms", "ms", "faster at p90", "slower at p90", "fastest at p90"
    ),
    "large_batch_latency_ms": Words(
        "latency of a large query", 1, " ms", "ms",
        "faster in large queries", "slower in large queries", "fastest in large queries",
    ),
    "throughput_per_s": Words(
        "throughput", 1, "/s", "examples/s", "more throughput", "less throughput", "highest in throughput"
    ),
    "size_mb": Words("size on disk", 1, " MB", "MB", "smaller", "larger", "smallest"),
    "peak_memory_mb": Words("peak memory", 1, " MB", "MB", "less memory", "more memory", "lightest in memory"),
    "parameters": Words(
        "parameters", 1e6, " M", "millions", "fewer parameters", "more parameters", "fewest in parameters"
    ),
    "flops": Words("FLOPs of a query", 1e9, " G", "billions", "fewer FLOPs", "more FLOPs", "fewest in FLOPs"),
    "energy_j": Words("energy of a query", 1e-3, " mJ", "mJ", "less energy", "more energy", "lowest in energy"),
    "co2_g_per_million": Words("CO2 of a million queries", 1, " g", "g", "less CO2", "more CO2", "lowest in CO2"),
    "money_per_million": Words(
        "electricity of a million queries", 1, "", "money", "cheaper", "dearer", "cheapest in electricity"
    ),
}  # fmt: skip


def title(name: CostName, costs: Sequence[Cost]) -> str:
    """What a cost is called: `peak memory`, `energy of a query (estimated)` where one of `costs` is an estimate."""
    words = WORDS[name].title
    return f"{words} (estimated)" if any(estimated(name, cost) for cost in costs) else words


def estimated(name: CostName, of: Cost) -> bool:
    """Whether a cost comes from an energy that nothing counted."""
    return name in ENERGETIC and of.energy_source == "estimated"


def axis_title(name: CostName, costs: Sequence[Cost]) -> str:
    """`title` with the unit of a scaled number: `latency (ms)`."""
    return f"{title(name, costs)} ({WORDS[name].axis_unit})"


def number(value: float) -> str:
    """Three significant digits, never in scientific notation: `5.23`, `45.1`, `410`, `0.00123`."""
    rounded = float(f"{value:.3g}")
    if not math.isfinite(rounded) or rounded == 0:
        return str(value) if rounded else "0"
    digits = 2 - math.floor(math.log10(abs(rounded)))
    return f"{value:.{max(digits, 0)}f}"


def cost(name: CostName, value: float) -> str:
    """A cost with its unit: `5.23 ms`, `45.1 MB`, `11.2 M`."""
    words = WORDS[name]
    return number(value / words.scale) + words.unit


def score(value: float | None, metric: str) -> str:
    """A metric with three decimals, a perplexity below a thousand with two; `-` where there is none."""
    if value is None:
        return "-"
    if metric not in INVERTED:
        return f"{value:.3f}"
    shown = natural(metric, value)
    return f"{shown:.2f}" if shown < 1000 else number(shown)


def interval(low_high: tuple[float, float] | None, metric: str) -> str:
    """The interval of a score, `[0.885, 0.923]`; empty where there is none."""
    if low_high is None:
        return ""
    low, high = reversed(low_high) if metric in INVERTED else low_high
    return f"[{score(low, metric)}, {score(high, metric)}]"


def tested(of: CandidateScore) -> str:
    """The score on test with its interval, `0.905 [0.885, 0.923]`; `-` where there is none."""
    return f"{score(of.test, of.metric)} {interval(of.test_interval, of.metric)}".rstrip()


def floor(value: float, metric: str) -> str:
    """The least score that is good enough: `at least 0.900`, and of a perplexity `at most 20.2`."""
    return f"{'at most' if metric in INVERTED else 'at least'} {score(value, metric)}"


def latency(of: Interval) -> str:
    """A latency with its interval: `5.23 ms [5.10, 5.40]`."""
    return f"{number(of.median)} ms [{number(of.low)}, {number(of.high)}]"


def ratio(name: CostName, original: float, value: float) -> str:
    """How many times better than the original: `1.84x`; below one when worse; `-` when it can't be said."""
    if not value > 0 or not original > 0:
        return "-"
    times = value / original if name in _HIGHER else original / value
    return f"{times:.2f}x" if times < 9.995 else f"{times:.1f}x"


def compared(name: CostName, reference: float, value: float) -> str:
    """`value` against `reference` in words: `1.84x faster`, `1.10x larger`, `equal`."""
    if value == reference:
        return "equal"
    if (value < reference) != (name in _HIGHER):
        return f"{ratio(name, reference, value)} {WORDS[name].better}"
    return f"{ratio(name, value, reference)} {WORDS[name].worse}"


def counted(count: int, noun: str) -> str:
    """A number of things: `1 trial`, `12 trials`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def share(value: float) -> str:
    """A share in per cent with one digit: `12.0%`."""
    return f"{100 * value:.1f}%"


def plain(name: str) -> str:
    """The name of a budget as a word in a sentence: `accuracy drop`."""
    return name.replace("_", " ")
