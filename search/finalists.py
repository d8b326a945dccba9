"""Who is finished and verified: the best of what the search has scored, by the scores of the weights that are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from greenfront.config import RunConfig
from greenfront.hardware_profiles import Cost, HardwareProfile
from greenfront.search.candidate import Candidate
from greenfront.search.contenders import Contenders
from greenfront.search.finishing import as_kept
from greenfront.search.journal import Result
from greenfront.search.run_folder import RunFolder
from greenfront.search.study import Study
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

    def chosen(self) -> list[Result]:
        """At most `search.finalists` with weights: as `Contenders.finalists`."""
        contenders, feasible = self._contenders(self._kept())
        return contenders.finalists(feasible)

    def members(self) -> list[Result]:
        """At most `finish.members`, chosen by the scores of trials, with those of the weights that are kept.

        Scores that finishing has changed would have others chosen, and finished as well, by every further start.
        """
        contenders, feasible = self._contenders(self.study.results)
        plans = {result.plan for result in contenders.finalists(feasible, most=self.config.finish.members)}
        return [result for result in self._kept() if result.plan in plans and result.state == "scored"]

    def weightless(self) -> list[Result]:
        """Those that would be chosen and meet every budget, but whose weights were deleted when others beat them."""
        contenders, feasible = self._contenders(self._kept())
        wanted = contenders.finalists(feasible, weightless=True)
        return [result for result in wanted if result.plan.id in feasible and not contenders.complete(result)]

    def _kept(self) -> list[Result]:
        return as_kept(self.run, self.study.results, self.config.data.metric)

    def _contenders(self, results: Sequence[Result]) -> tuple[Contenders, list[str]]:
        found = unverified(results, self.original, self.profiles, self.config)
        contenders = Contenders(self.config, self.run, results, self._predict)
        return contenders, [candidate.id for candidate in found if candidate.feasible]

    def _predict(self, plan: Plan) -> dict[str, Cost]:
        return {name: profile.predict(plan) for name, profile in self.profiles.items()}
