"""What may be changed in a model, and how it is changed."""

from greenfront.spaces.checkpoint import load_checkpoint, plan_of, save_checkpoint, weight_bytes
from greenfront.spaces.compress import METHODS, apply_plan, apply_to_module, check_plan, compress, find_space
from greenfront.spaces.library import Library
from greenfront.spaces.method import Choice, Method, Refusal, Site
from greenfront.spaces.plan import Plan, Settings
from greenfront.spaces.space import Space

__all__ = [
    "METHODS",
    "Choice",
    "Library",
    "Method",
    "Plan",
    "Refusal",
    "Settings",
    "Site",
    "Space",
    "apply_plan",
    "apply_to_module",
    "check_plan",
    "compress",
    "find_space",
    "load_checkpoint",
    "plan_of",
    "save_checkpoint",
    "weight_bytes",
]
