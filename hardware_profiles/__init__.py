"""What a candidate costs on a machine: measuring, the additive cost model and saved profiles."""

from greenfront.hardware_profiles.cost import Cost, Interval
from greenfront.hardware_profiles.fingerprint import Conditions, Fingerprint, fingerprint
from greenfront.hardware_profiles.measure import Measured, measure_candidates, measure_profile
from greenfront.hardware_profiles.profile import HardwareProfile
from greenfront.hardware_profiles.records import PredictionError, Timing
from greenfront.hardware_profiles.registry import RUNTIMES, get_runtime
from greenfront.hardware_profiles.runtime import MemoryPeak, Runtime
from greenfront.hardware_profiles.target import Target, resolve_target

__all__ = [
    "RUNTIMES",
    "Conditions",
    "Cost",
    "Fingerprint",
    "HardwareProfile",
    "Interval",
    "Measured",
    "MemoryPeak",
    "PredictionError",
    "Runtime",
    "Target",
    "Timing",
    "fingerprint",
    "get_runtime",
    "measure_candidates",
    "measure_profile",
    "resolve_target",
]
