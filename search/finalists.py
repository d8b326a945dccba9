"""Who is finished and verified: the best of what the search has scored, by the scores of the weights that are kept."""

from collections.abc import Mapping
from dataclasses import dataclass

from greenfront.config import RunConfig
from greenfront.hardware_profiles import Cost, HardwareProfile
from greenfront.search.candidate import Candidate
from greenfront.search.contenders import Contenders
from greenfront.search.finishing import as_kept
from greenfront.search.run_folder import RunFolder
from greenfront.search.study import Result, Study
from greenfront.search.verify import unverified
from greenfront.spaces import Plan


@dataclass(frozen=True)
class Finalists:
    """Chooses among a study's results each time that it is asked: trials, finishing and new weights change them."""

    config: RunConfig
    run: RunFolder
    study: Study
    profiles: Mapping[str, HardwareProfile]
    original: Candidate

    def chosen(self, most: int | None = None) -> list[Result]:
        """At most so many with weights, by default `search.finalists`: as `Contenders.finalists`."""
        contenders, feasible = self._contenders()
        return contenders.finalists(feasible, most=most)

    def weightless(self) -> list[Result]:
        """Those that would be chosen and meet every budget, but whose weights were deleted when others beat them."""
        contenders, feasible = self._contenders()
        wanted = contenders.finalists(feasible, weightless=True)
        return [result for result in wanted if result.plan.id in feasible and not contenders.complete(result)]

    def _contenders(self) -> tuple[Contenders, list[str]]:
        results = as_kept(self.run, self.study.results, self.config.data.metric)
        found = unverified(results, self.original, self.profiles, self.config)
        contenders = Contenders(self.config, self.run, results, self._predict)
        return contenders, [candidate.id for candidate in found if candidate.feasible]

    def _predict(self, plan: Plan) -> dict[str, Cost]:
        return {name: profile.predict(plan) for name, profile in self.profiles.items()}
