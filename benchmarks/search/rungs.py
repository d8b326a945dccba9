"""The ladder on recorded trials: what of the hypervolume of training every plan fully it reaches, for how many steps.

    python benchmarks/search/rungs.py benchmarks/search/recordings/r8.jsonl.gz

Nothing is made up: plans, and what they came to after so many steps, are recorded; the ladder is the product's. Each
draw takes so many of the recorded plans in a random order, as a search would start them on one worker.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benches import replay_benches
from indicators import Scale
from problem import OBJECTIVE
from recording import read
from replay import logs
from rich.console import Console
from rich.table import Table
from states import Numbers

from greenfront.search.ladder import Ladder
from greenfront.search.rung import Standing

KINDS = ("allocation", "mutated")
"""What a search proposes; plans drawn blindly would make stopping early look better than it is."""


def climb(points: Numbers, reduction: int) -> list[int]:
    """The highest rung that each plan came to, of plans started in this order.

    `points` (N, R, 2): objectives of every plan on every rung.
    """
    started, rungs = 0, points.shape[1]
    ladder = Ladder(rungs, reduction)
    reached: list[int] = []
    while True:
        waiting = started < len(points)
        found = ladder.next(settled=0 if waiting else rungs - 1)
        if found is not None:
            rung, number = found
            ladder.promote(rung, number)
            reached[number] = rung + 1
        elif waiting:
            number = started
            reached.append(0)
            started += 1
        else:
            return reached
        ladder.record(reached[number], number, Standing(tuple(points[number, reached[number]].tolist())))


def against_full(points: Numbers, steps: Sequence[int], reduction: int, scale: Scale) -> tuple[float, float]:
    """Shares of full training: of the hypervolume of what was trained to the end, and of the training steps."""
    reached = np.array(climb(points, reduction))
    full, finished = points[:, -1], points[reached == len(steps) - 1, -1]
    share = scale.hypervolume(finished) / scale.hypervolume(full)
    return share, float(np.array(steps)[reached].sum() / (steps[-1] * len(points)))


def main() -> None:
    """Print a row for every choice of rungs and reduction."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--plans", type=int, default=60)
    parser.add_argument("--draws", type=int, default=20)
    asked = parser.parse_args()
    header, trials = read(asked.recording)
    whole = [t for t in trials if len(t.rungs) == len(header.steps) and t.kind in KINDS]
    bench = replay_benches(asked.recording)[0]
    scale = bench.scale(bench.problem(0))
    every = np.array([[(math.exp(log), trial.costs[OBJECTIVE]) for log in logs(trial)] for trial in whole])
    chosen = [(0, len(header.steps) - 1), *((0, n, len(header.steps) - 1) for n in range(1, len(header.steps) - 1))]
    chosen.append(tuple(range(len(header.steps))))
    table = Table(title=f"{header.source}: {asked.plans} of {len(whole)} plans, {asked.draws} draws")
    for column in ("rungs", "reduction", "hypervolume, median", "least", "steps, median", "most"):
        table.add_column(column, justify="right")
    for rungs in dict.fromkeys(chosen):
        steps = [header.steps[rung] for rung in rungs]
        for reduction in (2, 3, 4):
            rng, found = np.random.default_rng(0), list[tuple[float, float]]()
            for _ in range(asked.draws):
                drawn = rng.permutation(len(every))[: asked.plans]
                found.append(against_full(every[drawn][:, list(rungs)], steps, reduction, scale))
            volumes, spent = np.array(found).T
            table.add_row(
                ", ".join(map(str, steps)), str(reduction), f"{np.median(volumes):.1%}", f"{volumes.min():.1%}",
                f"{np.median(spent):.1%}", f"{spent.max():.1%}",
            )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
