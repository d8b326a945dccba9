"""Plans worth recording: allocations at random levels, uniform ones, random ones, and what lies between them."""

from collections.abc import Mapping

import numpy as np
from states import Columns, Numbers, States, at_level

from greenfront.search.allocation import STRONGEST, Table
from greenfront.spaces import Plan, Space

KINDS = ("allocation", "uniform", "allocation", "mutated", "allocation", "uniform", "allocation", "random")
"""In turn: half are allocations, a quarter uniform plans, an eighth each what mutation makes of them, and random ones.
"""
MILDEST = 0.6
"""Share of the original's cost below which allocations lie: above, plans hardly differ, and take longest to train."""
_WIDEST = 1.5
"""Largest standard deviation of a log multiplier; each plan draws its own, so that some are hardly multiplied."""


class Draws:
    """Draws of plans from one space; the number of a draw and the seed decide what it is, in any order."""

    def __init__(
        self, space: Space, losses: Table, changes: Mapping[str, Table], original: Mapping[str, float], seed: int
    ) -> None:
        self.space, self.seed = space, seed
        self.states = States(space)
        self._losses = losses
        # In shares of the original, so that several costs can be mixed.
        self._shares = {name: self.states.flat(table) / original[name] for name, table in changes.items()}

    def draw(self, number: int) -> tuple[str, Plan]:
        """The kind and the plan of this number: not the original, nor one that a runtime refuses."""
        rng = np.random.default_rng([self.seed, number])
        kind = KINDS[number % len(KINDS)]
        while True:
            plan = {"allocation": self._allocation, "uniform": self._uniform, "random": self._random}.get(
                kind, self._mutated
            )(rng)
            if plan and all(np.isfinite(share[self.states.of(plan)]).all() for share in self._shares.values()):
                return kind, plan

    def _allocation(self, rng: np.random.Generator) -> Plan:
        """At a random level of a random mix of the costs, the losses of every kind and third of the depth rescaled."""
        depths, spread = np.linspace(0, 2.999, len(self.space.choices)), rng.uniform(0, _WIDEST)
        groups: dict[tuple[str, str, int], float] = {}
        multipliers: dict[str, float] = {}
        for choice, depth in zip(self.space.choices, depths, strict=True):
            own = rng.normal(0, spread / 3)
            group = groups.setdefault((choice.method, choice.site.kind, int(depth)), rng.normal(0, spread))
            multipliers[choice.name] = float(np.exp(group + own))
        scaled = {name: [multipliers[name] * loss for loss in losses] for name, losses in self._losses.items()}
        weights = rng.dirichlet(np.full(len(self._shares), 0.5))
        cost: Numbers = np.sum([w * share for w, share in zip(weights, self._shares.values(), strict=True)], axis=0)
        columns = self._at(self.states.losses(scaled), cost, rng)
        return self.states.plan(columns)

    def _at(self, loss: Numbers, cost: Numbers, rng: np.random.Generator) -> Columns:
        least = 1 + float(cost[self.states.best(cost)].sum())
        floor = min(max(1.1 * least, STRONGEST), MILDEST)
        level = float(np.exp(rng.uniform(np.log(floor), np.log(MILDEST))))
        return at_level(self.states, loss, cost, level - 1)

    def _uniform(self, rng: np.random.Generator) -> Plan:
        """About the same relative position among the options of some methods, in every layer."""
        methods = list(dict.fromkeys(choice.method for choice in self.space.choices))
        moved = {m for m in methods if rng.random() < 0.5} or {str(rng.choice(methods))}
        positions = {method: rng.uniform(0, 1) for method in methods}
        jitter = rng.choice([0.0, 0.1])
        indices = []
        for choice in self.space.choices:
            last = len(choice.options) - 1
            position = positions[choice.method] + rng.normal(0, jitter) if choice.method in moved else 1.0
            indices.append(int(np.clip(round(position * last), 0, last)))
        return self.space.plan(indices)

    def _random(self, rng: np.random.Generator) -> Plan:
        """A random share of the choices at random, the others unchanged."""
        share = rng.uniform(0, 1)
        return self.space.plan(
            [
                int(rng.integers(len(choice.options))) if rng.random() < share else len(choice.options) - 1
                for choice in self.space.choices
            ]
        )

    def _mutated(self, rng: np.random.Generator) -> Plan:
        """An allocation of which some choices are drawn anew."""
        indices = list(self.space.indices(self._allocation(rng)))
        for place in rng.permutation(len(indices))[: int(rng.integers(1, max(2, len(indices) // 4)))]:
            indices[place] = int(rng.integers(len(self.space.choices[place].options)))
        return self.space.plan(indices)
