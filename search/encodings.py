"""How a plan is written as the parameters of a study, and read from them: whatever an Optuna sampler proposes.

`direct` has an ordered whole number per choice: any plan, most of them over some budget. `allocation` has how far to go
on every cost of the objectives and how much more or less groups of choices lose than predicted; a solver makes of these
the plan of least loss within every limit, so that whatever is proposed can be had (after SPDY, 2201.13096, section 3).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from greenfront.search.allocation import Axis, Limit, Table, worth_having
from greenfront.search.decoder import Decoder
from greenfront.search.forest import Floats, Forest, Numbers, flat, ordered
from greenfront.search.groups import Groups, Parts
from greenfront.search.integer_program import solve
from greenfront.search.mixing import Found
from greenfront.search.plan_states import PlanStates
from greenfront.spaces import Plan, Settings, Space

WIDEST = 4.0
"""How far a multiplier's logarithm may be from zero: a loss may be 55 times what it was predicted as."""
REMEMBERED = 64
"""Parameters whose plans are kept: a sampler tries some of which a study asks for one."""
PLAN = "plan"
"""The attribute of a trial that holds its plan as JSON."""
_BACK = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Shares of the way along the costs that are tried one after the other until a plan is found."""


class Encoding(Protocol):
    """Plans as parameters of a study."""

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The parameters."""

    def parameters(self, plan: Plan) -> dict[str, Any]:
        """Those of a plan, or of one near it; raises PlanError when the plan is not in the space."""

    def plan(self, parameters: Mapping[str, Any]) -> Plan:
        """The plan that they mean: the same one always."""


class DirectEncoding:
    """An ordered whole number per choice: the option's index."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self.distributions: dict[str, BaseDistribution] = {
            choice.name: IntDistribution(0, len(choice.settings)) for choice in space.choices
        }

    def parameters(self, plan: Plan) -> dict[str, Any]:
        """Its point in the space."""
        return {c.name: i for c, i in zip(self._space.choices, self._space.indices(plan), strict=True)}

    def plan(self, parameters: Mapping[str, Any]) -> Plan:
        """The plan of a point."""
        return self._space.plan([parameters[choice.name] for choice in self._space.choices])


@dataclass(frozen=True)
class Allocation:
    """A plan, what it is predicted to lose in every group (G,), in nats, and its costs (A,), in their units."""

    plan: Plan
    parts: Floats
    costs: Floats


class AllocationEncoding:
    """A position in 0..1 along every cost of the objectives, and the logarithm of a multiplier per group.

    At 0 a cost may be what its budget allows, or little less than the original's, at 1 little more than the least that
    any plan within the limits has; between them levels are geometric. Letters: A axes, G groups, S sites.
    """

    def __init__(self, space: Space, losses: Table, limits: Sequence[Limit], axes: Sequence[Axis]) -> None:
        self._space, self._axes = space, tuple(axes)
        self.groups = Groups.of(space)
        self._forest = forest = Forest.of(space)
        every = [*(limit.change for limit in limits), *(axis.change for axis in axes)]
        changes = np.array([flat(space, change) for change in every])
        self._possible = possible = np.isfinite(changes).all(axis=0)
        self._impossible = np.where(possible, 0.0, np.inf)
        self._decoder = Decoder(forest, np.where(possible, changes, 0.0))
        self._parts = Parts.of(space, losses, self.groups)
        self._most = np.array([limit.most for limit in limits])
        self._original = np.array([axis.original for axis in axes])
        self._own = [(site.path, state.own) for site in ordered(space) for state in site.states]
        self._states = PlanStates(space)
        self._mild = np.array([axis.mildest for axis in axes])
        self._strong = np.array([self._strongest(number) for number in range(len(axes))])
        self._remembered = dict[bytes, Allocation]()
        self.positions = tuple(f"position on {axis.name}" for axis in axes)
        self.multipliers = tuple(f"log multiplier of {group}" for group in self.groups.groups)
        self.distributions: dict[str, BaseDistribution] = {
            **{name: FloatDistribution(0.0, 1.0) for name in self.positions},
            **{name: FloatDistribution(-WIDEST, WIDEST) for name in self.multipliers},
        }

    def parameters(self, plan: Plan) -> dict[str, Any]:
        """The nearest position, and losses as predicted: the plan that they mean may be another one."""
        position = self.position(self.allocation(plan).costs)
        return {**dict(zip(self.positions, position.tolist(), strict=True)), **dict.fromkeys(self.multipliers, 0.0)}

    def plan(self, parameters: Mapping[str, Any]) -> Plan:
        """The one of least loss there."""
        return self.allocated(parameters).plan

    def avoid(self, forbidden: Callable[[str, Settings], bool]) -> None:
        """From now on, mean no plan with what is forbidden of a module's settings."""
        allowed = np.array([not forbidden(path, own) for path, own in self._own])
        self._impossible = np.where(self._possible & allowed, 0.0, np.inf)
        self._remembered.clear()

    @property
    def correlation(self) -> Floats:
        """(G, G) That of the groups' factors, before anything is known."""
        return self.groups.correlation

    @property
    def range(self) -> tuple[Floats, Floats]:
        """(A,) costs at position 0, and at position 1."""
        return self._mild, self._strong

    def named(self, position: Floats, log_multipliers: Floats) -> dict[str, Any]:
        """The parameters of a position (A,) and of logarithms of multipliers (G,): only their differences count."""
        centred = np.clip(log_multipliers - log_multipliers.mean(), -WIDEST, WIDEST)
        return {
            **dict(zip(self.positions, position.tolist(), strict=True)),
            **dict(zip(self.multipliers, centred.tolist(), strict=True)),
        }

    def allocated(self, parameters: Mapping[str, Any]) -> Allocation:
        """What parameters mean; of those asked for last it is remembered."""
        position = np.array([parameters[name] for name in self.positions])
        log_multipliers = np.array([parameters[name] for name in self.multipliers])
        asked = position.tobytes() + log_multipliers.tobytes()
        if asked not in self._remembered:
            while len(self._remembered) >= REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[asked] = self.decode(position, log_multipliers)
        return self._remembered[asked]

    def tried(self, trial: FrozenTrial) -> Allocation | None:
        """What a trial tries: the plan that it says, or the one of its parameters; None where they aren't known yet."""
        if PLAN in trial.user_attrs:
            return self.allocation(Plan.from_json(trial.user_attrs[PLAN]))
        return self.allocated(trial.params) if set(self.distributions) <= set(trial.params) else None

    def position(self, costs: Floats) -> Floats:
        """(A,) costs -> (A,) where they are along their axes."""
        way = np.log(self._strong / self._mild)
        gone = np.log(np.maximum(costs, 1e-12 * self._original) / self._mild)
        found: Floats = np.clip(np.divide(gone, way, out=np.zeros_like(way), where=way < 0), 0.0, 1.0)
        return found

    def decode(self, position: Floats, log_multipliers: Floats) -> Allocation:
        """The allocation at a position (A,) under the logarithms of multipliers (G,)."""
        loss = self._parts.losses(np.exp(log_multipliers)) + self._impossible
        found = Found(loss)
        for share in _BACK:
            level = self._mild * (self._strong / self._mild) ** (share * position)
            columns = self._decoder.decode(found, np.concatenate([self._most, level - self._original]))
            if columns is not None:
                return self._described(columns)
        return self._described(self._exact(loss))

    def allocation(self, plan: Plan) -> Allocation:
        """What is known of any plan of the space; raises PlanError when it isn't one."""
        self._space.indices(plan)
        return self._described(self._states.of(plan))

    def _exact(self, loss: Floats) -> Numbers:
        """By the integer program, within the limits alone; the cheapest plan by the first of them where it has none."""
        changes = self._decoder.changes
        columns = worth_having(solve(self._forest, loss, changes[: len(self._most)], self._most.tolist()))
        return np.flatnonzero(self._forest.best(changes[0] + self._impossible)[0]) if columns is None else columns

    def _described(self, columns: Numbers) -> Allocation:
        columns = np.sort(columns)  # sums have the same last digits, whoever found the plan
        plan = Plan(dict(self._own[column] for column in columns.tolist()))
        changes = self._decoder.changes[len(self._most) :, columns].sum(axis=1)
        return Allocation(plan, self._parts.by_group(columns, len(self.groups)), self._original + changes)

    def _strongest(self, number: int) -> float:
        """Where an axis ends: a little above the least that a plan within the limits has, at most where it begins."""
        rows, every = len(self._most), self._decoder.changes
        found = Found(every[rows + number] + self._impossible)
        free = [-float(self._forest.best(-row)[1].sum()) for row in every[rows:]]  # what the dearest plan takes
        most = np.concatenate([self._most, free])
        columns = self._decoder.decode(found, most)
        axis = self._axes[number]
        if columns is None:
            return axis.mildest
        return axis.strongest(axis.original + float(every[rows + number, columns].sum()))
