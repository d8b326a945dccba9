"""Lets contestants search the benches and says who found what, by trials and by wall-clock.

    python benchmarks/search/compare.py run results/ --trials 200 --seeds 10
    python benchmarks/search/compare.py table results/

`run` plays what isn't in the folder yet, a file a game, so that it can be interrupted; `table` reads the folder, prints
Markdown and draws `NAME.png` for each bench. One worker evaluates; what a contestant needs before its first trial
(profile and decompositions; losses and first plans where it uses them) and its own time are on its clock.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from benches import Bench, benches
from contestants import CONTESTANTS, Contestant
from games import Game
from problem import OBJECTIVE, Problem
from report import draw, markdown
from rich.console import Console

COMMON = ("profile", "library")
"""What everybody needs before the first trial: costs of plans, and decompositions to build them from."""
LOSSES = "significance"


def play(problem: Problem, contestant: Contestant, trials: int) -> list[tuple[float, float, float]]:
    """(divergence, latency in ms, seconds on the clock) of up to so many trials, one after the other."""
    clock = sum(problem.preparing_seconds.get(name, 0.0) for name in COMMON)
    if contestant.prepared:
        clock += problem.preparing_seconds.get(LOSSES, 0.0) + contestant.solving_seconds
    found: list[tuple[float, float, float]] = []
    while len(found) < trials:
        started = time.perf_counter()
        plan = contestant.ask()
        if plan is None:
            break
        costs = problem.costs(plan)
        clock += time.perf_counter() - started
        evaluation = contestant.evaluate(plan)
        clock += evaluation.seconds
        found.append((evaluation.divergence, costs[OBJECTIVE], clock))
        started = time.perf_counter()
        contestant.tell(plan, evaluation.divergence, costs)
        clock += time.perf_counter() - started
    return found


def main() -> None:
    """Play, or say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("results", type=Path)
    parser.add_argument("--benches", nargs="+", help="default: all")
    parser.add_argument("--contestants", nargs="+", choices=list(CONTESTANTS), default=list(CONTESTANTS))
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no further game after so long")
    asked = parser.parse_args()
    every = benches()
    chosen = [every[name] for name in asked.benches or every]
    asked.results.mkdir(parents=True, exist_ok=True)
    if asked.what == "run":
        run(asked.results, chosen, asked.contestants, asked.trials, asked.seeds, asked.seconds)
        return
    for bench in chosen:
        games = [game for path in sorted(asked.results.glob("*.json")) if (game := Game.load(path)).bench == bench.name]
        if games:
            print(markdown(bench, games))
            draw(bench, games, asked.results / f"{bench.name.replace(' ', '-')}.png")


def run(
    folder: Path, chosen: Sequence[Bench], contestants: Sequence[str], trials: int, seeds: int, seconds: float
) -> None:
    """Play every game that isn't in the folder; contestants and benches in turn, so that seeds are complete early."""
    console, begun = Console(width=120), time.perf_counter()
    for seed in range(seeds):
        for bench in chosen:
            problem: Problem | None = None
            for name in contestants:
                path = folder / f"{bench.name}-{name}-{seed}.json".replace(" ", "")
                if path.exists():
                    continue
                if time.perf_counter() - begun > seconds:
                    return
                problem = problem or bench.problem(seed)
                started = time.perf_counter()
                points = play(problem, CONTESTANTS[name](problem, seed, trials), trials)
                path.write_text(json.dumps({"bench": bench.name, "contestant": name, "seed": seed, "points": points}))
                console.print(f"{path.stem}: {len(points)} trials in {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
