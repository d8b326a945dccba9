"""What may be changed in a model, and how it is changed."""

from typing import TYPE_CHECKING

from greenfront.lazy import lazily as _lazily

if TYPE_CHECKING:
    from greenfront.spaces.checkpoint import load_checkpoint, plan_of, save_checkpoint, weight_bytes
    from greenfront.spaces.compression import (
        METHODS,
        apply_plan,
        apply_to_module,
        check_plan,
        complete,
        compress,
        find_space,
    )
    from greenfront.spaces.library import Library
    from greenfront.spaces.method import Choice, Method, Reduction, Refusal, Site
    from greenfront.spaces.plan import Plan, Settings
    from greenfront.spaces.space import Space
else:
    __getattr__, __dir__ = _lazily(
        __name__,
        {
            "checkpoint": ("load_checkpoint", "plan_of", "save_checkpoint", "weight_bytes"),
            "compression": (
                "METHODS",
                "apply_plan",
                "apply_to_module",
                "check_plan",
                "complete",
                "compress",
                "find_space",
            ),
            "library": ("Library",),
            "method": ("Choice", "Method", "Reduction", "Refusal", "Site"),
            "plan": ("Plan", "Settings"),
            "space": ("Space",),
        },
    )

__all__ = [
    "METHODS",
    "Choice",
    "Library",
    "Method",
    "Plan",
    "Reduction",
    "Refusal",
    "Settings",
    "Site",
    "Space",
    "apply_plan",
    "apply_to_module",
    "check_plan",
    "complete",
    "compress",
    "find_space",
    "load_checkpoint",
    "plan_of",
    "save_checkpoint",
    "weight_bytes",
]
