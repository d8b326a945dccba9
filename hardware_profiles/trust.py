"""What a reader must know before believing a measurement, and what is not to be believed at all."""

from collections.abc import Mapping

from greenfront.hardware_profiles.cost import Interval
from greenfront.hardware_profiles.fingerprint import Conditions, Fingerprint
from greenfront.hardware_profiles.jobs import MemoryAnswer
from greenfront.hardware_profiles.records import Calibration, PredictionError, Timing
from greenfront.hardware_profiles.statistics import drift, relative_half_width
from greenfront.hardware_profiles.target import Target

DRIFT = 0.05
HALF_WIDTH = 0.05
RATIO_HALF_WIDTH = 0.025
"""Two measurements of the same ratio differ by at most twice as much, nearly always."""
LARGE_HALF_WIDTH = 0.10
PREDICTION_MEDIAN, PREDICTION_P95 = 0.02, 0.06
SLOPE = (0.7, 1.4)
SPARE_CORES = 0.5
"""How much of the measured cores others may use before it is said."""
WAITED = 0.05
"""The share of the time spent waiting for a processor from which on it is said (see `waiting.py`)."""
REFUSED_WAITED, REFUSED_HALF_WIDTH = 0.15, 0.15
"""From here on ratios are off by more than 5%, or not known well enough to say so: the measurement is refused."""
REMEDY = (
    "close other programs, set `threads` below the number of free cores, or `disturbed: accept`, and start again "
    "(a search keeps what is done)"
)


def waiting_refusal(target: Target, waited: float | None) -> str:
    """Why what one process measured can't be trusted, or ""."""
    if waited is None or waited <= REFUSED_WAITED:
        return ""
    return (
        f"other processes held the measured {'processor' if target.threads == 1 else 'processors'} "
        f"for {waited:.0%} of the time (at most {REFUSED_WAITED:.0%} is accepted)"
    )


def ratio_refusals(ratios: Mapping[str, Interval]) -> list[str]:
    """Which candidates' latencies can't be trusted, and why. `ratios`: to the original's, by id."""
    return [
        f"{name} takes {ratio.low:.2f} to {ratio.high:.2f} times the original's latency, "
        f"known to no better than {relative_half_width(ratio):.0%}"
        for name, ratio in ratios.items()
        if relative_half_width(ratio) > REFUSED_HALF_WIDTH
    ]


def condition_warnings(target: Target, fingerprint: Fingerprint, conditions: Conditions) -> list[str]:
    """Whether the machine was busy with something else, just before or meanwhile, and whether we were bound.

    The load average alone would not tell: it still holds our own work of the minute before.
    """
    warnings = []
    free = fingerprint.cores - target.threads
    if conditions.load_average > target.threads + 0.5 and conditions.busy_cores_at_start > free + SPARE_CORES:
        warnings.append(
            f"the machine was busy before measuring with {target.threads} of its {fingerprint.cores} cores: "
            f"{conditions.busy_cores_at_start:.1f} in use, load average {conditions.load_average:.1f}"
        )
    if conditions.other_cores > free + SPARE_CORES:
        warnings.append(
            f"other processes used {conditions.other_cores:.1f} of {fingerprint.cores} cores while "
            f"{target.threads} were measured with"
        )
    if not conditions.affinity:
        warnings.append("this system can't bind a process to CPUs: threads may have moved between cores")
    return warnings


def waiting_warnings(waited: float | None) -> list[str]:
    """Whether others held the measured processors for more than 5% of the time."""
    if waited is None or waited <= WAITED:
        return []
    return [f"other processes held the measured processors for {waited:.0%} of the time: ratios may be off by more"]


def timing_warnings(name: str, timing: Timing) -> list[str]:
    """Drift (medians of the first and last third differ by more than 5%) and noise (interval above +-5%)."""
    warnings = []
    drifted = drift(timing.samples_ms)
    if abs(drifted) > DRIFT:
        warnings.append(f"{name} drifted by {drifted:+.1%} between the first and the last third of its samples")
    if relative_half_width(timing.interval_ms) > HALF_WIDTH:
        low, high = timing.interval_ms.low, timing.interval_ms.high
        warnings.append(f"{name} is known to no better than {low:.3g} to {high:.3g} ms ({timing.n} samples)")
    return warnings


def large_query_warnings(name: str, timing: Timing) -> list[str]:
    """Whether throughput is known to no better than 10%."""
    half_width = relative_half_width(timing.interval_ms)
    if half_width <= LARGE_HALF_WIDTH:
        return []
    return [f"{name}'s throughput is known to no better than {half_width:.0%} ({timing.n} large queries)"]


def memory_warnings(memory: MemoryAnswer) -> list[str]:
    """Whether the peak holds the loading too."""
    if memory.source == "ru_maxrss":
        return ["peak memory includes loading the model: this system does not let a process reset its peak"]
    return []


def prediction_warnings(calibration: Calibration, error: PredictionError | None) -> list[str]:
    """Whether the sum of operations can be believed."""
    warnings = []
    if error is None:
        warnings.append("predicted latency is unchecked: the space has too few plans to hold any out")
    elif error.median > PREDICTION_MEDIAN or error.p95 > PREDICTION_P95:
        warnings.append(
            f"predicted latency is off by {error.median:.1%} in the median, by up to {error.p95:.1%} for 19 in 20 and "
            f"by {error.worst:.1%} at worst on {error.plans} candidates the fit had not seen "
            f"({PREDICTION_MEDIAN:.0%} and {PREDICTION_P95:.0%} wanted): a quieter machine or more `seconds` may help"
        )
    if not SLOPE[0] <= calibration.slope <= SLOPE[1]:
        warnings.append(
            f"whole candidates change by {calibration.slope:.2f} times what their operations do; about 1 is expected"
        )
    return warnings


def ratio_warnings(name: str, ratio: Interval) -> list[str]:
    """Whether noise exceeds the difference to the original, or another measurement may differ by more than 5%."""
    if ratio.low <= 1 <= ratio.high:
        return [f"{name} can't be told from the original: {ratio.low:.3f} to {ratio.high:.3f} times its latency"]
    if relative_half_width(ratio) > RATIO_HALF_WIDTH:
        return [
            f"{name} takes {ratio.low:.3f} to {ratio.high:.3f} of the original's latency, from process to process: "
            f"another measurement may differ by more than {2 * RATIO_HALF_WIDTH:.0%}"
        ]
    return []
