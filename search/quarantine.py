"""Settings that trials die of: found by what failed trials share and no other trial has, and not tried any more.

A trial has a setting at nearly every site, so a failure says little of any one of them. But whoever kills three trials
is in all three, and whatever was trained and scored elsewhere is innocent. While no trial has been scored, a setting
is a suspect only where all that failed have it: one that some lack isn't why all of them fail. Where several are left,
all of them are suspects; where many are, the failures may be nobody's (a machine that was short of memory for a while),
and what further trials come to tells more. Everything follows from the results, so a run that goes on knows it again.
"""

from collections import Counter
from collections.abc import Iterable

from greenfront.search.journal import Result
from greenfront.search.quarantined import Quarantined, Setting
from greenfront.spaces import Plan, Settings

DEADLY = 3
"""Failed trials that a setting is in."""
FEW = 4
"""Settings that these share: so many are given up on suspicion. Of more, further trials acquit most."""
CERTAIN = 6
"""Failed trials after which any number of them is."""


class Quarantine:
    """Follows the results of a study."""

    def __init__(self, results: Iterable[Result] = ()) -> None:
        self._failed: dict[Setting, dict[Plan, str]] = {}
        self._plans_failed: set[Plan] = set()
        self._passed: set[Plan] = set()
        self._acquitted: Counter[Setting] = Counter()  # by how many plans that passed
        self.settings: dict[Setting, Quarantined] = {}
        """What is in quarantine now."""
        for result in results:
            self.add(result)

    def add(self, result: Result) -> tuple[Quarantined, ...]:
        """Take a result in, whatever it is; gives what comes into quarantine by it."""
        plan, settings = result.plan, _settings(result.plan)
        if result.state == "scored" or (result.state == "paused" and result.rungs[-1].steps):
            if plan not in self._passed:
                self._passed.add(plan)
                self._acquitted.update(settings)
        elif result.state == "failed":
            if plan in self._passed:  # of a lower rung
                self._passed.remove(plan)
                self._acquitted.subtract(settings)
            self._plans_failed.add(plan)
            for setting in settings:
                self._failed.setdefault(setting, {})[plan] = result.reason
        before, self.settings = self.settings, {each.setting: each for each in self._suspects()}
        return tuple(each for each in self.settings.values() if each.setting not in before)

    def of(self, plan: Plan) -> tuple[Quarantined, ...]:
        """What a plan has of it."""
        return tuple(self.settings[each] for each in _settings(plan) if each in self.settings) if self.settings else ()

    def forbids(self, path: str, settings: Settings) -> bool:
        """Whether a module's settings, or a part of them, are in quarantine."""
        return any((path, key, value) in self.settings for key, value in settings.items())

    def _suspects(self) -> list[Quarantined]:
        enough = DEADLY if self._passed else max(DEADLY, len(self._plans_failed))
        deadly = {
            setting: failed
            for setting, failed in self._failed.items()
            if len(failed) >= enough and not self._acquitted[setting]
        }
        together: dict[frozenset[Plan], int] = {}  # of those that the same trials failed with nothing tells one apart
        for failed in deadly.values():
            together[frozenset(failed)] = together.get(frozenset(failed), 0) + 1
        return [
            Quarantined(setting, tuple(plan.id for plan in failed), [*failed.values()][-1])
            for setting, failed in deadly.items()
            if len(failed) >= CERTAIN or together[frozenset(failed)] <= FEW
        ]


def _settings(plan: Plan) -> list[Setting]:
    return [(path, key, value) for path, settings in plan.items() for key, value in settings.items()]
