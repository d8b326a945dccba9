"""Where a search stands, in words: what it has found, what it didn't have to train, who is on which rung."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf

from greenfront.config import COST_OF, HIGHER_IS_BETTER, RunConfig
from greenfront.hardware_profiles import Cost
from greenfront.search import wording
from greenfront.search.candidate import Candidate
from greenfront.search.drawing import Drawing
from greenfront.search.hypervolume import Progression
from greenfront.search.journal import Result, State
from greenfront.search.slack import accuracy_floors, budget_slack, cost_bounds, cost_limit, minimised
from greenfront.search.training_words import untrained_words
from greenfront.spaces import Plan

OVER = "predicted over budget"
"""How the reason begins for which a proposal isn't trained."""

_Place = tuple[State, int | None]
"""Where a trial is: its state, and after how many steps it is paused."""


class Outlook:
    """Follows the results of a search. What is best for one budget is mostly another trial than for the next one."""

    def __init__(
        self,
        config: RunConfig,
        results: Sequence[Result],
        original: Candidate,
        predict: Callable[[Plan], Mapping[str, Cost]],
        stored: Collection[Plan] = (),
    ) -> None:
        """`results` are the study's own, as they are at any time; those that are there already count as before.
        `stored`: plans whose trials were taken over from an earlier configuration."""
        self._config, self._results, self._original, self._predict = config, results, original, predict
        self._progression, self._stored = Progression(config, original), stored
        self.drawing = Drawing(config, original)
        self._best: dict[str, tuple[float, str]] = {}
        self._seen, self._over = 0, 0
        self._standing = Counter[_Place]()
        self._places = dict[int, _Place]()  # of each trial, where it is counted
        for result in results:
            self.add(result)
        self._gained = 0.0

    def add(self, result: Result) -> None:
        """Take in what came of a trial."""
        self._stand(result)
        before = self._progression.hypervolume
        if result.state == "scored" and result.validation is not None:
            predicted = self._predict(result.plan)
            self._progression.add(result, predicted)
            if self._progression.feasible(result, predicted):
                for name, found in self._reached(result.validation, predicted).items():
                    self._best[name] = max(found, self._best.get(name, (-inf, "")), key=lambda each: each[0])
                self.drawing.found(result, predicted)
        if result.state != "paused":
            self.drawing.ended(self._progression.hypervolume)
        self._gained = self._progression.hypervolume - before

    def words(self) -> dict[str, str]:
        """By heading; only what there is something to say of."""
        gained = f" ({self._gained:+.4f} by the last trial)" if round(self._gained, 4) else ""
        found = ", ".join(text for _, text in self._best.values()) or "no finished trial within the budgets yet"
        # Results that are new since the last words: a rejected one stays what it is.
        new, self._seen = self._results[self._seen :], len(self._results)
        self._over += sum(result.state == "rejected" and result.reason.startswith(OVER) for result in new)
        over = self._over
        return {
            "hypervolume": f"{self._progression.hypervolume:.4f}{gained}",
            "best": found,
            **({} if self._config.search.rungs is None else {"rungs": self._rungs(self._config.search.rungs)}),
            **({"saved": f"{wording.counted(over, 'training')}, {OVER}"} if over else {}),
        }

    def seconds_left(self, done: int, total: int) -> float | None:
        """How long the rest should take, going by what an earlier start took; None where there was none."""
        on_rungs = self._config.search.rungs is not None
        took = sum(result.seconds for result in self._results if result.rungs or not on_rungs)
        return took / done * (total - done) / self._config.workers() if done and took else None

    def _reached(self, validation: float, predicted: Mapping[str, Cost]) -> dict[str, tuple[float, str]]:
        """How good a trial is for each budget, then for each objective without one, and what it reaches there.

        A cost is that of the target on which there is least to spare, `~` says that it is predicted.
        """
        budgets, metric, original = self._config.budgets, self._config.data.metric, self._original
        found: dict[str, tuple[float, str]] = {}
        slack = {name: budget_slack({name: cost}, validation, original, budgets) for name, cost in predicted.items()}
        for name, bound in cost_bounds(budgets).items():
            shares = {target: each[name] for target, each in slack.items()}
            target = min(shares, key=shares.__getitem__)
            limit = cost_limit(name, bound, original.predicted[target])
            word = "at least" if name in HIGHER_IS_BETTER else "at most"
            said = f"{_cost(name, predicted[target])} ({word} {wording.cost(COST_OF[name], limit)})"
            found[name] = shares[target], said if len(shares) == 1 else f"{said} on {target}"
        before = original.score.validation
        for name, floor in accuracy_floors(budgets, before).items():
            said = f"{metric} {wording.score(validation, metric)} ({wording.floor(floor, metric)})"
            found[name] = validation, said
        for name in self._config.objectives:
            if name in found or (name == "accuracy" and "accuracy_drop" in found):
                continue
            if name == "accuracy":
                said = f"{metric} {wording.score(validation, metric)} (original {wording.score(before, metric)})"
                found[name] = validation, said
            else:
                target = self._config.hardware[0].name
                whole = wording.cost(COST_OF[name], original.predicted[target].value(COST_OF[name]))
                found[name] = (
                    -minimised(name, predicted[target]),
                    f"{_cost(name, predicted[target])} (original {whole})",
                )
        return found

    def _rungs(self, rungs: Sequence[int]) -> str:
        """How many trials stand where; those of earlier configurations are on no rung."""
        parts = [f"{self._standing['paused', steps]} at {steps} steps" for steps in rungs[:-1]]
        parts.append(f"{self._standing['scored', None]} finished ({rungs[-1]} steps)")
        failed = self._standing["failed", None]
        return ", ".join(parts + ([f"{failed} failed"] if failed else []))

    def _stand(self, result: Result) -> None:
        """Count a trial where it stands now; nowhere one that was never on a rung, unless it failed before the
        first."""
        if (before := self._places.pop(result.number, None)) is not None:
            self._standing[before] -= 1
        if result.rungs or (result.state == "failed" and result.plan not in self._stored):
            place = result.state, result.rungs[-1].steps if result.state == "paused" else None
            self._places[result.number] = place
            self._standing[place] += 1


def trial_words(result: Result, where: str, cost: Cost, metric: str) -> str:
    """What a trial came to, in a line; `where` it stands on a ladder."""
    how = result.origin
    if result.untrained:
        how += f", {untrained_words(result)}"
    return (
        f"{result.plan.id}: {metric} {wording.score(result.validation, metric)}{where}, predicted "
        f"{cost.latency_ms.median:.2f} ms, {cost.size_mb:.1f} MB ({how}, {result.seconds:.0f} s)"
    )


def _cost(name: str, cost: Cost) -> str:
    """A predicted cost with its name: `latency ~5.23 ms`."""
    return f"{wording.plain(name)} ~{wording.cost(COST_OF[name], cost.value(COST_OF[name]))}"
