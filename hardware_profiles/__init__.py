"""What a candidate costs on a machine: measuring, the additive cost model and saved profiles."""

from typing import TYPE_CHECKING

# Not lazily: a function called as its module, which it has to replace.
from greenfront.hardware_profiles.fingerprint import Conditions, Fingerprint, fingerprint
from greenfront.lazy import lazily as _lazily

if TYPE_CHECKING:
    from greenfront.hardware_profiles.cost import Cost, Interval
    from greenfront.hardware_profiles.measure import Measured, measure_candidates, measure_profile
    from greenfront.hardware_profiles.profile import HardwareProfile
    from greenfront.hardware_profiles.records import PredictionError, Timing
    from greenfront.hardware_profiles.registry import RUNTIMES, get_runtime
    from greenfront.hardware_profiles.resident import MemoryPeak
    from greenfront.hardware_profiles.runtime import Runtime
    from greenfront.hardware_profiles.target import Target, resolve_target
    from greenfront.hardware_profiles.target_check import check_target
else:
    __getattr__, __dir__ = _lazily(
        __name__,
        {
            "cost": ("Cost", "Interval"),
            "measure": ("Measured", "measure_candidates", "measure_profile"),
            "profile": ("HardwareProfile",),
            "records": ("PredictionError", "Timing"),
            "registry": ("RUNTIMES", "get_runtime"),
            "resident": ("MemoryPeak",),
            "runtime": ("Runtime",),
            "target": ("Target", "resolve_target"),
            "target_check": ("check_target",),
        },
    )

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
    "check_target",
    "fingerprint",
    "get_runtime",
    "measure_candidates",
    "measure_profile",
    "resolve_target",
]
