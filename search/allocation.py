"""Closed-form allocations: the plan with the least predicted loss under measured costs, by integer programming.

One state per site, `min sum x_ij loss_ij` subject to `sum x_ij cost_ijk <= limit_k` for every limit k, x binary:
Puzzle's multiple-choice knapsack (Bercovich et al. 2024, 2411.19146, section 3.2), solved by SciPy's HiGHS. Where the
states of a site depend on another's, so many of them are chosen as of those that allow them: a forest of such choices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp
from scipy.sparse import csr_array, vstack

from greenfront.spaces import Plan, Space

MILDEST, STRONGEST = 0.9, 0.05
"""Shares of the original's cost between which seeds lie: above hardly anything is won, below hardly anything works.
"""
MOST_COLUMNS, _COARSER, _WORST_GAP = 4000, {0.0: 1e-4, 0.2: 2e-3, 0.4: 5e-3}, 0.05
"""Beyond so many columns, or where it isn't solved to the gap in time, states that are nearly as dear as better ones
are left out: tolerance of `_front` -> relative gap. MiniLM-L6 with every method has 10,000 columns, which take 2 to 5 s
or end without a plan worth having; at a tolerance of 0.4 most take 1 s, and plans lose at most 9% more."""
_WORTHLESS_GAP = 0.5
"""Above it a plan may lose twice as much as another would: what a solver begins with, such as skipping everything."""
_INFEASIBLE = 2
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
    """The plan with the least summed loss (nats) within every limit.

    None when no plan is within them, or none was found in time that is worth having.
    """
    loss = _flat(space, _state_losses(space, losses))
    changes = np.stack([_flat(space, limit.change) for limit in limits]) if limits else np.zeros((0, len(loss)))
    numbers = np.vstack([loss, changes])
    kept = np.flatnonzero(np.isfinite(numbers).all(axis=0))  # what costs infinitely much can't be had
    for tolerance, gap in _COARSER.items():
        kept = _undominated(space, numbers, kept, tolerance)
        if len(kept) > MOST_COLUMNS and tolerance < max(_COARSER):
            continue
        found = _solved(space, kept, loss[kept], changes[:, kept], [limit.most for limit in limits], gap)
        if found.status == _INFEASIBLE or (found.x is not None and (found.mip_gap or 0.0) <= _WORST_GAP):
            break
    if found.x is None or (found.mip_gap or 0.0) > _WORTHLESS_GAP:
        return None
    return _plan_of(space, {int(column) for column in kept[np.round(found.x) == 1]})


def _solved(
    space: Space,
    kept: NDArray[np.intp],
    loss: NDArray[np.float64],
    changes: NDArray[np.float64],
    most: Sequence[float],
    gap: float,
) -> OptimizeResult:
    """The integer program over the columns kept, to a relative gap, or what it came to in some seconds."""
    constraints = [_one_each(space, kept)]
    if most:
        # Every row in units of its largest entry: milliseconds and parameters differ by many powers of ten.
        scale = np.abs(changes).max(axis=1, initial=0).clip(min=1e-30)
        rows = csr_array(changes / scale[:, None])
        constraints.append(LinearConstraint(vstack([rows]), -np.inf, np.array(most) / scale))
    return milp(
        loss / max(loss.max(initial=0), 1e-30),
        integrality=np.ones(len(kept)),
        bounds=Bounds(0, 1),
        constraints=constraints,
        options={"time_limit": 5.0, "mip_rel_gap": gap},
    )


def uniform(space: Space, change: Table, most: float, limits: Sequence[Limit] = ()) -> Plan | None:
    """The mildest plan with the same relative position among the options everywhere, within `most` and every limit.

    What a single global rank gives: the baseline that every allocation has to beat. Where the space has ranks, they
    alone are reduced. None where none fits.
    """
    every = (Limit(change, most), *limits)
    ranks = {choice.name for choice in space.choices if "rank" in choice.settings[0]}
    moved = ranks or {choice.name for choice in space.choices}
    for position in np.linspace(1, 0, 65):
        indices = [round((position if c.name in moved else 1) * (len(c.options) - 1)) for c in space.choices]
        plan = space.plan(indices)
        if all(total(space, limit.change, plan) <= limit.most for limit in every):
            return plan
    return None


def cheapest(space: Space, change: Table) -> float:
    """The least total change any plan reaches."""
    least = 0.0
    below = {site.path: np.zeros(len(site.states)) for site in space.states}
    for site in reversed(space.states):
        totals = np.asarray(change[site.path]) + below[site.path]
        for context, allowing in enumerate(site.contexts):
            best = min(totals[i] for i, state in enumerate(site.states) if state.context == context)
            if site.parent is None:
                least += float(best)
            else:
                below[site.parent][list(allowing)] += best
    return least


def total(space: Space, change: Table, plan: Plan) -> float:
    """The change that a plan makes in a cost."""
    summed, chosen = 0.0, dict[str, int]()
    for site in space.states:
        number = next(
            i
            for i, state in enumerate(site.states)
            if state.own == plan.get(site.path, {})
            and (site.parent is None or chosen[site.parent] in site.contexts[state.context])
        )
        chosen[site.path] = number
        summed += change[site.path][number]
    return summed


@dataclass(frozen=True)
class Axis:
    """A cost that seeds spread along: what each state changes in it, its value now and the largest allowed."""

    name: str
    change: Table
    original: float
    most: float

    def levels(self, space: Space, count: int) -> list[float]:
        """So many values, geometric, from the largest that is allowed and saves something to a little above the least.

        All are the largest where the least is above it.
        """
        least, most = self.original + cheapest(space, self.change), min(self.most, MILDEST * self.original)
        if most <= least:
            return [most] * count
        floor = min(max(1.1 * least, STRONGEST * self.original), most)
        return [float(level) for level in np.geomspace(most, floor, count)]

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


def _flat(space: Space, table: Table) -> NDArray[np.float64]:
    """A number per column: every state of every site, in the sites' order."""
    return np.concatenate([np.asarray(table[site.path], dtype=np.float64) for site in space.states])


def _state_losses(space: Space, losses: Table) -> Table:
    """The loss of every state: of the options that it takes, together."""
    return {
        site.path: [sum(losses[name][index] for name, index in state.options) for state in site.states]
        for site in space.states
    }


def _starts(space: Space) -> dict[str, int]:
    """The column of each site's first state."""
    ends = np.cumsum([len(site.states) for site in space.states])
    return {site.path: int(end) - len(site.states) for site, end in zip(space.states, ends, strict=True)}


def _undominated(
    space: Space, numbers: NDArray[np.float64], among: NDArray[np.intp], tolerance: float
) -> NDArray[np.intp]:
    """These columns but for those, at sites that none depends on, to which another state is preferable (`_front`)."""
    parents, starts = {site.parent for site in space.states}, _starts(space)
    possible = np.zeros(numbers.shape[1], dtype=bool)
    possible[among] = True
    kept: list[int] = []
    for site in space.states:
        columns = np.arange(len(site.states)) + starts[site.path]
        contexts = np.array([state.context for state in site.states])
        for context in range(len(site.contexts)):
            own = columns[(contexts == context) & possible[columns]]
            kept += [int(column) for column in (own if site.path in parents else _front(own, numbers, tolerance))]
    return np.array(sorted(kept))


def _front(columns: NDArray[np.intp], numbers: NDArray[np.float64], tolerance: float) -> list[np.intp]:
    """Those of these columns that no other one is at most equal to in all rows; of equal ones the first.

    With a tolerance also without those that cost less than another one of less loss (the first row), but by no more
    than this share of what they cost above the cheapest.
    """
    ordered = columns[np.lexsort(numbers[::-1, columns])]
    cheapest = numbers[1:, columns].min(axis=1, initial=np.inf)
    found: list[np.intp] = []
    for column in ordered:  # nothing later dominates it
        nearly = numbers[:, [column]].copy()
        nearly[1:, 0] += tolerance * (nearly[1:, 0] - cheapest)
        if not found or not (numbers[:, found] <= nearly).all(axis=0).any():
            found.append(column)
    return found


def _one_each(space: Space, kept: NDArray[np.intp]) -> LinearConstraint:
    """In each context of a site as many states as of its parent's that allow it: one or none; without a parent one."""
    starts, place = _starts(space), {int(column): number for number, column in enumerate(kept)}
    entries: list[tuple[int, int, float]] = []
    wanted: list[float] = []
    for site in space.states:
        for context, allowing in enumerate(site.contexts):
            row = len(wanted)
            wanted.append(1.0 if site.parent is None else 0.0)
            own = (starts[site.path] + i for i, state in enumerate(site.states) if state.context == context)
            entries += [(row, place[column], 1.0) for column in own if column in place]
            if site.parent is not None:
                of_parent = (starts[site.parent] + number for number in allowing)
                entries += [(row, place[column], -1.0) for column in of_parent if column in place]
    rows, columns, values = zip(*entries, strict=True)
    return LinearConstraint(csr_array((values, (rows, columns)), shape=(len(wanted), len(kept))), wanted, wanted)


def _plan_of(space: Space, chosen: set[int]) -> Plan:
    """The plan of the chosen columns."""
    starts = _starts(space)
    return Plan(
        {
            site.path: state.own
            for site in space.states
            for number, state in enumerate(site.states)
            if starts[site.path] + number in chosen
        }
    )
