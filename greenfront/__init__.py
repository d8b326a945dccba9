"""Make a trained transformer as small and fast as a machine needs, at the least loss of accuracy, and prove it.

Importing this package is light: what it offers is imported when it is first used. It also teaches `transformers`,
as soon as that is imported, to load exported folders.
"""

from typing import TYPE_CHECKING

from wrapt import register_post_import_hook

from greenfront.lazy import lazily as _lazily

if TYPE_CHECKING:
    from greenfront.api import compress, export, load, select
    from greenfront.config import RunConfig, load_config
    from greenfront.errors import GreenfrontError
    from greenfront.search import Front, Selection, search
    from greenfront.spaces import Library, Plan
else:
    from greenfront import search  # the subpackage is the function: it can be called

    __getattr__, __dir__ = _lazily(
        __name__,
        {
            "api": ("compress", "export", "load", "select"),
            "config": ("RunConfig", "load_config"),
            "errors": ("GreenfrontError",),
            "search": ("Front", "Selection"),
            "spaces": ("Library", "Plan"),
        },
    )

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

register_post_import_hook("greenfront.registration:register", "transformers.quantizers.auto")
