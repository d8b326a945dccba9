"""Closed-form allocations: the plan with the least predicted loss under measured costs, by integer programming.

One state per site, `min sum x_ij loss_ij` subject to `sum x_ij cost_ijk <= limit_k` for every limit k, x binary:
Puzzle's multiple-choice knapsack (Bercovich et al. 2024, 2411.19146, section 3.2). Where the states of a site depend on
another's, so many of them are chosen as of those that allow them: a forest of such choices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from greenfront.search.forest import Forest, Numbers, flat, plan_of
from greenfront.search.integer_program import Solution, solve
from greenfront.search.plan_states import PlanStates
from greenfront.spaces import Plan, Space

MILDEST, STRONGEST = 0.9, 0.05
"""Shares of the original's cost between which seeds lie: above hardly anything is won, below hardly anything works.
"""
ABOVE_LEAST = 1.1
"""Times the least cost: below, there is next to nothing left to choose."""
WORTHLESS_GAP = 0.5
"""Above it a plan may lose twice as much as another would: what a solver begins with, such as skipping everything."""
Table = Mapping[str, Sequence[float]]
"""Of losses: a number per option of each choice, by the choice's name; the original, the last option, has 0.
Of costs: a number per state of each site, by the site's path; as it is in the original, it has 0."""


@dataclass(frozen=True)
class Limit:
    """An upper bound on the summed change `change` of one cost, in that cost's unit (negative: a saving)."""

    change: Table
    most: float


@dataclass(frozen=True)
class Seed:
    """A plan worth trying first, and where it comes from."""

    plan: Plan
    origin: str


def allocate(space: Space, losses: Table, limits: Sequence[Limit]) -> Plan | None:
    """The plan with the least summed loss (nats) within every limit, to a ten-thousandth where nodes suffice.

    None when no plan is within them, or none was found in time whose loss is proven to be at most twice the least.
    """
    columns = worth_having(allocation(space, losses, limits))
    return None if columns is None else plan_of(space, set(columns.tolist()))


def worth_having(found: Solution | None) -> Numbers | None:
    """The columns of a solution (S,), unless it may lose twice as much as another or there is none."""
    return None if found is None or found.gap > WORTHLESS_GAP else found.chosen


def allocation(space: Space, losses: Table, limits: Sequence[Limit]) -> Solution | None:
    """What `allocate` finds with how good it is for sure; None when no plan is within every limit."""
    loss = flat(space, state_losses(space, losses))
    changes = np.stack([flat(space, limit.change) for limit in limits]) if limits else np.zeros((0, len(loss)))
    return solve(Forest.of(space), loss, changes, [limit.most for limit in limits])


def state_losses(space: Space, losses: Table) -> Table:
    """The loss of every state: of the options that it takes, together."""
    return {
        site.path: [sum(losses[name][index] for name, index in state.options) for state in site.states]
        for site in space.states
    }


def uniform(space: Space, change: Table, most: float, limits: Sequence[Limit] = ()) -> Plan | None:
    """The mildest plan with the same relative position among the options everywhere, within `most` and every limit.

    What a single global rank gives: the baseline that every allocation has to beat. Where the space has ranks, they
    alone are reduced. None where none fits.
    """
    every = (Limit(change, most), *limits)
    ranks = {choice.name for choice in space.choices if "rank" in choice.settings[0]}
    moved = ranks or {choice.name for choice in space.choices}
    states, bounds = PlanStates(space), np.array([limit.most for limit in every])
    changes = np.array([flat(space, limit.change) for limit in every])
    for position in np.linspace(1, 0, 65):
        indices = [round((position if c.name in moved else 1) * (len(c.options) - 1)) for c in space.choices]
        plan = space.plan(indices)
        if (changes[:, states.of(plan)].sum(axis=1) <= bounds).all():
            return plan
    return None


def cheapest(space: Space, change: Table) -> float:
    """The least total change any plan reaches."""
    return float(Forest.of(space).best(flat(space, change))[1].sum())


def total(space: Space, change: Table, plan: Plan) -> float:
    """The change that a plan makes in a cost."""
    return float(flat(space, change)[PlanStates(space).of(plan)].sum())


@dataclass(frozen=True)
class Axis:
    """A cost that seeds spread along: what each state changes in it, its value now and the largest allowed."""

    name: str
    change: Table
    original: float
    most: float

    @property
    def mildest(self) -> float:
        """The largest value that is allowed and saves something."""
        return min(self.most, MILDEST * self.original)

    def strongest(self, least: float) -> float:
        """A little above the least that a plan has, at most the mildest."""
        return min(max(ABOVE_LEAST * least, STRONGEST * self.original), self.mildest)

    def levels(self, space: Space, count: int) -> list[float]:
        """So many values, geometric, from the mildest to the strongest; only the mildest where the least is above."""
        least = self.original + cheapest(space, self.change)
        if self.mildest <= least:
            return [self.mildest] * count
        return [float(level) for level in np.geomspace(self.mildest, self.strongest(least), count)]

    def limit(self, level: float) -> Limit:
        """At most this value."""
        return Limit(self.change, level - self.original)


def seeds(space: Space, losses: Table, axes: Sequence[Axis], limits: Sequence[Limit], count: int) -> list[Seed]:
    """Allocations and uniform plans at levels of the costs, from mild to strong; all keep `limits`.

    Of several costs each gets allocations of its own, after those that lower all of them together. A fifth are uniform
    plans along the first cost.
    """
    uniforms = count // 5
    routes = [tuple(axes), *((axis,) for axis in axes)] if len(axes) > 1 else [tuple(axes)]
    found: list[Seed] = []
    for number, route in enumerate(routes):
        share = (count - uniforms - number - 1) // len(routes) + 1  # the first ones get what is left over
        for levels in zip(*(axis.levels(space, share) for axis in route), strict=True):
            reached = [axis.limit(level) for axis, level in zip(route, levels, strict=True)]
            named = (f"{level / axis.original:.0%} {axis.name}" for axis, level in zip(route, levels, strict=True))
            _add(found, allocate(space, losses, [*limits, *reached]), f"allocation {', '.join(named)}")
    for level in axes[0].levels(space, uniforms):
        plan = uniform(space, axes[0].change, level - axes[0].original, limits)
        _add(found, plan, f"uniform {level / axes[0].original:.0%} {axes[0].name}")
    return found


def _add(found: list[Seed], plan: Plan | None, origin: str) -> None:
    """Take in a plan that changes something and isn't there yet."""
    if plan and plan not in [seed.plan for seed in found]:
        found.append(Seed(plan, origin))


def perturbed(space: Space, losses: Table, limits: Sequence[Limit], rng: np.random.Generator) -> Plan | None:
    """An allocation under randomly rescaled losses (SPDY's sensitivity multipliers, Frantar & Alistarh 2022)."""
    multipliers = np.exp(rng.normal(0, 1, len(space.choices)))
    scaled = {c.name: [m * loss for loss in losses[c.name]] for c, m in zip(space.choices, multipliers, strict=True)}
    return allocate(space, scaled, limits)
