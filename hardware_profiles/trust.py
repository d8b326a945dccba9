"""What a reader must know before believing a measurement."""

from greenfront.hardware_profiles.cost import Interval
from greenfront.hardware_profiles.fingerprint import Conditions, Fingerprint
from greenfront.hardware_profiles.jobs import MemoryAnswer
from greenfront.hardware_profiles.records import Calibration, PredictionError, Timing
from greenfront.hardware_profiles.statistics import drift, relative_half_width
from greenfront.hardware_profiles.target import Target

DRIFT = 0.05
HALF_WIDTH = 0.05
PREDICTION = 0.10
SLOPE = (0.7, 1.4)
SPARE_CORES = 0.5
"""How much of the measured cores others may use before it is said."""


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
    elif error.worst > PREDICTION:
        warnings.append(
            f"predicted latency was off by up to {error.worst:.0%} (median {error.median:.0%}) "
            f"on {error.plans} candidates the fit had not seen"
        )
    if not SLOPE[0] <= calibration.slope <= SLOPE[1]:
        warnings.append(
            f"whole candidates change by {calibration.slope:.2f} times what their operations do; about 1 is expected"
        )
    return warnings


def ratio_warnings(name: str, ratio: Interval) -> list[str]:
    """Whether noise exceeds the difference to the original."""
    if ratio.low <= 1 <= ratio.high:
        return [f"{name} can't be told from the original: {ratio.low:.3f} to {ratio.high:.3f} times its latency"]
    return []
