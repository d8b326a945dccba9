"""Which candidate to try next, on which worker, and what came out: the front."""

import sys
from types import ModuleType
from typing import Any

from greenfront.search.candidate import Candidate, CandidateScore
from greenfront.search.estimate import Overview, overview
from greenfront.search.export import Exported, export
from greenfront.search.front import Front
from greenfront.search.prepare import resolve_targets
from greenfront.search.progress import Reporter, Silent
from greenfront.search.run import run_search, search
from greenfront.search.run_folder import RunFolder
from greenfront.search.select import Selection, select
from greenfront.search.table import front_table

__all__ = [
    "Candidate",
    "CandidateScore",
    "Exported",
    "Front",
    "Overview",
    "Reporter",
    "RunFolder",
    "Selection",
    "Silent",
    "export",
    "front_table",
    "overview",
    "resolve_targets",
    "run_search",
    "search",
    "select",
]


class _SearchModule(ModuleType):
    """`greenfront.search` is this package, and the public function: calling the package calls the function."""

    def __call__(self, *arguments: Any, **options: Any) -> Front:
        return search(*arguments, **options)


sys.modules[__name__].__class__ = _SearchModule
