"""The benches: problems by name and seed, and the scale that all contestants are measured on."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from draws import MILDEST
from indicators import Scale
from problem import OBJECTIVE, Problem
from recording import read
from replay import Replay, finished, logs, replayed
from synthetic import FLOOR, synthetic

from greenfront.search.allocation import cheapest

WORST_DIVERGENCE = 1.0
"""Nats; about what answering with the labels' frequencies comes to."""
RECORDINGS = Path(__file__).parent / "recordings"


@dataclass(frozen=True)
class Bench:
    """A family of problems, one a seed, on one scale each."""

    name: str
    problem: Callable[[int], Problem]
    least_divergence: float

    def scale(self, problem: Problem) -> Scale:
        """From the least divergence and the cheapest plan to what is worth nothing."""
        original = problem.original[OBJECTIVE]
        least = max(original + cheapest(problem.space, problem.changes[OBJECTIVE]), 0.01 * original)
        worst = problem.limits.get(OBJECTIVE, original)
        return Scale((self.least_divergence, least), (WORST_DIVERGENCE, worst))


def synthetic_benches() -> list[Bench]:
    """Prices that are right, prices that are far off, and neighbours that interact."""
    kinds = {
        "prices right": {"spread": 0.2},
        "prices off": {"spread": 1.0},
        "interacting": {"spread": 0.7, "interaction": 1.0},
    }

    def of(name: str, options: dict[str, float]) -> Bench:
        return Bench(name, lambda seed: synthetic(name, seed, **options), FLOOR)  # type: ignore[arg-type]

    return [of(name, options) for name, options in kinds.items()]


def replay_benches(path: Path) -> list[Bench]:
    """The worlds of one recording, within the run's budgets, and with latency alone limited, as recorded ones are.

    Without the other budgets mild plans count, and so does who doesn't touch the embeddings.
    """
    header, trials = read(path)
    name = path.name.split(".")[0]
    within = replayed(header, trials, name)
    least = math.exp(min(logs(trial)[-1] for trial in finished(header, trials)))
    limits = {OBJECTIVE: MILDEST * header.original[OBJECTIVE]}
    freely = replace(within, name=f"{name}, latency alone", limits=limits)

    def of(problem: Problem) -> Bench:
        return Bench(problem.name, lambda seed: replace(problem, truth=Replay(header, trials, seed)), least)

    return [of(within), of(freely)]


def benches() -> dict[str, Bench]:
    """All of them, by name."""
    found = synthetic_benches()
    for path in sorted(RECORDINGS.glob("*.jsonl.gz")):
        found += replay_benches(path)
    return {bench.name: bench for bench in found}
