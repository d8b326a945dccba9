"""Make a trained transformer as small and fast as a machine needs, at the least loss of accuracy, and prove it.

Importing this package is light: what it offers is imported when it is first used. It also teaches `transformers`,
as soon as that is imported, to load exported folders.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wrapt import register_post_import_hook

if TYPE_CHECKING:
    from greenfront.api import Front, Library, Plan, Selection, compress, export, load, search, select
    from greenfront.config import RunConfig, load_config
    from greenfront.errors import GreenfrontError

__version__ = "0.1.0"
__all__ = [
    "Front",
    "GreenfrontError",
    "Library",
    "Plan",
    "RunConfig",
    "Selection",
    "compress",
    "export",
    "load",
    "load_config",
    "search",
    "select",
]

_HOMES = {"GreenfrontError": "errors", "RunConfig": "config", "load_config": "config"}

register_post_import_hook("greenfront.registration:register", "transformers.quantizers.auto")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'greenfront' has no attribute {name!r}")
    if name == "search":  # the subpackage is the function: it can be called
        return import_module("greenfront.search")
    return getattr(import_module(f"greenfront.{_HOMES.get(name, 'api')}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
