"""A problem of the benches: a space with known costs, and what a plan comes to when it is trained for so many steps."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from states import Numbers, States

from greenfront.search.allocation import Limit, Table
from greenfront.spaces import Plan, Space

OBJECTIVE = "latency_ms"
"""The cost beside the divergence; the others are only limited."""


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation came to: divergence in nats, and the seconds of a worker it took."""

    divergence: float
    seconds: float


class Truth(Protocol):
    """What plans of one space really come to; the same plan always to the same."""

    @property
    def steps(self) -> tuple[int, ...]:
        """At which plans can be scored; the last is a whole training."""

    def evaluate(self, plan: Plan, rung: int = -1) -> Evaluation:
        """After so many of `steps`, from the beginning."""


@dataclass(frozen=True)
class Problem:
    """What a search knows of a space before its first trial, and the truth that it doesn't know.

    Attributes:
        name: of the bench.
        space: what can be chosen.
        losses: predicted loss in nats of every option of each choice, the prices a search begins with.
        changes: cost -> site -> what each of its states changes.
        original: the original's costs.
        limits: upper bounds on costs.
        truth: what plans really come to.
        preparing_seconds: what finding out losses and costs took.
        front: points (N, 2) of the true front, divergence and latency; None where it isn't known.
        plain: what plans of one global rank came to with plain SVD; empty where that wasn't recorded.
    """

    name: str
    space: Space
    losses: Table
    changes: Mapping[str, Table]
    original: Mapping[str, float]
    limits: Mapping[str, float]
    truth: Truth
    preparing_seconds: Mapping[str, float]
    front: Numbers | None = None
    plain: Mapping[Plan, Evaluation] = field(default_factory=dict)

    @cached_property
    def states(self) -> States:
        """The space's sites."""
        return States(self.space)

    @cached_property
    def _columns(self) -> dict[str, Numbers]:
        return {cost: self.states.flat(table) for cost, table in self.changes.items()}

    @property
    def summed_limits(self) -> list[Limit]:
        """The limits as the product's solvers take them."""
        return [Limit(self.changes[cost], most - self.original[cost]) for cost, most in self.limits.items()]

    def costs(self, plan: Plan) -> dict[str, float]:
        """The predicted costs of a plan."""
        at = self.states.of(plan)
        return {cost: self.original[cost] + float(change[at].sum()) for cost, change in self._columns.items()}

    def excess(self, costs: Mapping[str, float]) -> dict[str, float]:
        """By how much of each limit it is exceeded; at or below zero it is kept."""
        return {cost: costs[cost] / most - 1 for cost, most in self.limits.items()}

    def feasible(self, plan: Plan) -> bool:
        """Whether a plan keeps every limit, by prediction."""
        return all(share <= 1e-9 for share in self.excess(self.costs(plan)).values())


def noise(plan: Plan, seed: int, count: int = 1) -> Numbers:
    """So many standard normal numbers (count,) that only plan and seed decide."""
    digest = hashlib.sha256(f"{seed}:{plan.to_json()}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big")).normal(size=count)
