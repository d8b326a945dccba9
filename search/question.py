"""What `select` is asked: which bounds hold on which targets, and how candidates stand to them, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from greenfront.config import HIGHER_IS_BETTER, BudgetsConfig, CostName
from greenfront.hardware_profiles.cost import Cost
from greenfront.search import slack as slacks
from greenfront.search import wording
from greenfront.search.candidate import Candidate
from greenfront.search.front import Front


@dataclass(frozen=True)
class Question:
    """The bounds that hold and the targets they hold on."""

    front: Front
    bounds: BudgetsConfig
    targets: tuple[str, ...]

    def costs(self, candidate: Candidate) -> dict[str, Cost]:
        """The candidate's costs on the targets in question."""
        return {name: cost for name, cost in candidate.costs().items() if name in self.targets}

    def slack(self, candidate: Candidate) -> dict[str, float]:
        """The candidate's slack per bound, see `budget_slack`."""
        return slacks.budget_slack(self.costs(candidate), candidate.score.validation, self.front.original, self.bounds)

    def meeting(self, candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """Those that meet every bound."""
        return tuple(c for c in candidates if not slacks.missed(self.slack(c)))

    def describe(self, candidate: Candidate) -> str:
        """`a1b2c3d4: accuracy 0.912 on validation, 5.23 ms (1.84x faster), 45.1 MB (2.02x smaller)`."""
        target = self.targets[0]
        own, original = candidate.costs()[target], self.front.original.costs()[target]
        names: list[CostName] = ["latency_ms", "size_mb"]
        own_axis = slacks.cost_name(self.front.axis)
        bounded = [slacks.cost_name(name) for name in slacks.cost_bounds(self.bounds)]
        names += [name for name in dict.fromkeys((own_axis, *bounded)) if name not in names]
        parts = [
            f"{'estimated ' if wording.estimated(name, own) else ''}{wording.cost(name, own.value(name))} "
            f"({wording.compared(name, original.value(name), own.value(name))})"
            for name in names
        ]
        score = f"{self.front.metric} {wording.score(candidate.score.validation, self.front.metric)} on validation"
        return f"{candidate.id}: {score}, {', '.join(parts)}"

    def verdict(self, candidate: Candidate) -> str:
        """`describe` and `tightness` in one sentence."""
        slack = self.slack(candidate)
        return f"{self.describe(candidate)}: {tightness(slack)}."

    def limit(self, name: str) -> str:
        """The bound called `name` in numbers: `latency at most 6.00 ms on laptop (60%)`."""
        most = f"{wording.plain(name)} {'at least' if name in HIGHER_IS_BETTER else 'at most'}"
        text = slacks.budgets_to_text(self.bounds)[name]
        floors = slacks.accuracy_floors(self.bounds, self.front.original.score.validation)
        if name in floors:
            return f"{wording.plain(name)} {text}: {wording.floor(floors[name], self.front.metric)} on validation"
        bound, cost = slacks.cost_bounds(self.bounds)[name], slacks.cost_name(name)
        if not bound.relative:
            return f"{most} {wording.cost(cost, bound.value)}"
        reference = slacks.reference_costs(self.front.original)
        limits = [
            f"{wording.cost(cost, slacks.cost_limit(name, bound, reference[target]))} on {target}"
            for target in self.targets
        ]
        return f"{most} {', '.join(limits)} ({text} of the original)"


def tightness(slack: Mapping[str, float]) -> str:
    """Which bounds are missed and by how much, or which of those that are met is the tightest."""
    over = slacks.missed(slack)
    if over:
        return "misses " + ", ".join(f"{wording.plain(name)} by {wording.share(-slack[name])}" for name in over)
    tightest = slacks.binding(slack)
    if tightest is None:
        return "no bounds to meet"
    return f"meets all, tightest is {wording.plain(tightest)} with {wording.share(slack[tightest])} to spare"
