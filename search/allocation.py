"""Closed-form allocations: the plan with the least predicted loss under measured costs, by integer programming.

One option per choice, `min sum x_ij loss_ij` subject to `sum x_ij cost_ijk <= limit_k` for every limit k, x binary:
Puzzle's multiple-choice knapsack (Bercovich et al. 2024, 2411.19146, section 3.2), solved by SciPy's HiGHS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, vstack

from greenfront.spaces import Plan, Space

Table = Mapping[str, Sequence[float]]
"""A number per option of each choice, by the choice's name; the original, the last option, has 0."""


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
    """The plan with the least summed loss (nats) within every limit, or None when no plan is within them."""
    loss = _flat(space, losses)
    sizes = [len(choice.options) for choice in space.choices]
    columns = np.arange(len(loss))
    rows = np.repeat(np.arange(len(sizes)), sizes)
    one_each = csr_array((np.ones(len(loss)), (rows, columns)), shape=(len(sizes), len(loss)))
    constraints = [LinearConstraint(one_each, 1, 1)]
    if limits:
        changes = np.stack([_flat(space, limit.change) for limit in limits])
        # Every row in units of its largest entry: milliseconds and parameters differ by many powers of ten.
        scale = np.abs(changes).max(axis=1, initial=0).clip(min=1e-30)
        most = np.array([limit.most for limit in limits]) / scale
        constraints.append(LinearConstraint(vstack([csr_array(changes / scale[:, None])]), -np.inf, most))
    found = milp(
        loss / max(loss.max(initial=0), 1e-30),
        integrality=np.ones(len(loss)),
        bounds=Bounds(0, 1),
        constraints=constraints,
        options={"time_limit": 5.0, "mip_rel_gap": 1e-4},
    )
    if found.x is None:
        return None
    chosen, start = [], 0
    for size in sizes:
        chosen.append(int(np.argmax(found.x[start : start + size])))
        start += size
    return space.plan(chosen)


def uniform(space: Space, change: Table, most: float, limits: Sequence[Limit] = ()) -> Plan | None:
    """The mildest plan with the same relative position among the options everywhere, within `most` and every limit.

    What a single global rank gives: the baseline that every allocation has to beat. None where none fits.
    """
    every = (Limit(change, most), *limits)
    for position in np.linspace(1, 0, 65):
        indices = [round(position * (len(choice.options) - 1)) for choice in space.choices]
        totals = [sum(limit.change[c.name][i] for c, i in zip(space.choices, indices, strict=True)) for limit in every]
        if all(total <= limit.most for total, limit in zip(totals, every, strict=True)):
            return space.plan(indices)
    return None


def cheapest(space: Space, change: Table) -> float:
    """The least total change any plan reaches."""
    return sum(min(change[choice.name]) for choice in space.choices)


def seeds(
    space: Space,
    losses: Table,
    axis: Table,
    original: float,
    most: float,
    limits: Sequence[Limit],
    count: int,
) -> list[Seed]:
    """Allocations and uniform plans at levels of the axis cost, spread geometrically from `most` to the cheapest plan.

    `axis` is the change of the cost that stands against accuracy, `original` its value without change, `most` the
    largest value allowed. Two thirds are allocations, as they are the better ones; all keep `limits`.
    """
    least = original + cheapest(space, axis)
    allocations = max(1, round(count * 2 / 3))
    found: list[Seed] = []
    for number, origin in ((allocations, "allocation"), (count - allocations, "uniform")):
        for level in _levels(least, min(most, original * 0.9), number):
            change = level - original
            if origin == "allocation":
                plan = allocate(space, losses, [*limits, Limit(axis, change)])
            else:
                plan = uniform(space, axis, change, limits)
            if plan is not None and plan not in [seed.plan for seed in found]:
                found.append(Seed(plan, f"{origin} {level / original:.0%}"))
    return found


def perturbed(space: Space, losses: Table, limits: Sequence[Limit], rng: np.random.Generator) -> Plan | None:
    """An allocation under randomly rescaled losses (SPDY's sensitivity multipliers, Frantar & Alistarh 2022)."""
    multipliers = np.exp(rng.normal(0, 1, len(space.choices)))
    scaled = {c.name: [m * loss for loss in losses[c.name]] for c, m in zip(space.choices, multipliers, strict=True)}
    return allocate(space, scaled, limits)


def _levels(least: float, most: float, count: int) -> list[float]:
    """`count` levels from `most` downwards, geometric, ending a little above the least reachable."""
    if count == 0 or most <= least:
        return [most] * min(count, 1)
    floor = min(max(least * 1.1, most * 0.25), most)
    return [float(level) for level in np.geomspace(most, floor, count)]


def _flat(space: Space, table: Table) -> NDArray[np.float64]:
    return np.concatenate([np.asarray(table[choice.name], dtype=np.float64) for choice in space.choices])
