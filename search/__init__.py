"""Which candidate to try next, on which worker, and what came out: the front.

The functions `export` and `select` stand in the modules of their names.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from greenfront.lazy import lazily as _lazily

if TYPE_CHECKING:
    from greenfront.search.candidate import Candidate, CandidateScore
    from greenfront.search.estimate import Overview, overview
    from greenfront.search.export import Exported
    from greenfront.search.export_table import exported_table
    from greenfront.search.front import Front
    from greenfront.search.profiles import resolve_targets
    from greenfront.search.progress import Picture, Reporter, Silent
    from greenfront.search.reopening import check_reopened
    from greenfront.search.run import run_search, search
    from greenfront.search.run_folder import RunFolder
    from greenfront.search.select import Selection
    from greenfront.search.table import cost_tables, front_table
else:
    __getattr__, __dir__ = _lazily(
        __name__,
        {
            "candidate": ("Candidate", "CandidateScore"),
            "estimate": ("Overview", "overview"),
            "export": ("Exported",),
            "export_table": ("exported_table",),
            "front": ("Front",),
            "profiles": ("resolve_targets",),
            "progress": ("Picture", "Reporter", "Silent"),
            "reopening": ("check_reopened",),
            "run": ("run_search", "search"),
            "run_folder": ("RunFolder",),
            "select": ("Selection",),
            "table": ("cost_tables", "front_table"),
        },
    )

__all__ = [
    "Candidate",
    "CandidateScore",
    "Exported",
    "Front",
    "Overview",
    "Picture",
    "Reporter",
    "RunFolder",
    "Selection",
    "Silent",
    "check_reopened",
    "cost_tables",
    "exported_table",
    "front_table",
    "overview",
    "resolve_targets",
    "run_search",
    "search",
]


class _SearchModule(ModuleType):
    """`greenfront.search` is this package, and the public function: calling the package calls the function."""

    def __call__(self, *arguments: Any, **options: Any) -> "Front":
        from greenfront.search.run import search

        return search(*arguments, **options)


sys.modules[__name__].__class__ = _SearchModule
