"""Milliseconds of processor time to build a candidate from a run's library: with ranks, removals, and every method.

    python benchmarks/build.py runs/reuters

With ranks alone at several places among those offered; with every method random valid plans, each choice alone
(`Space.random`), and drawn from cheap to dear as a profile's candidates are (`draw_plans`). What takes longest is many
neurons and heads that stay, without ranks, all in int8: least squares for most of the inputs, and every weight rounded.
On one thread, quantization after training included.
"""

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from transformers import PreTrainedModel

from greenfront.hardware_profiles.candidate_plans import draw_plans
from greenfront.search import RunFolder
from greenfront.spaces import METHODS, Choice, Library, Plan, Space, compress, find_space, load_checkpoint
from greenfront.spaces.compression import method_name

PLACES = (0.75, 0.5, 0.25, 0.1)
"""0 is the least rank offered everywhere, 1 the largest, right below break-even."""
MANY = (0.75, 0.85)
"""Of neurons and of heads: 1,152 and 10 in MiniLM-L6."""
REPETITIONS, PLANS, SEED = 3, 30, 2024
LIMIT_MS = 200.0


def main() -> None:
    """Print one row a kind of plan, and what the slowest plans consist of."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("run", type=Path)
    run = RunFolder.existing(arguments.parse_args().run)
    torch.set_num_threads(1)
    config, model, library = run.load_config(), load_checkpoint(run.base), Library.load(run.library)

    def space_of(*methods: str) -> Space:
        return find_space(model, config.space.model_copy(update={"methods": methods}), config.data.max_length)

    kinds: dict[str, list[Plan]] = {}
    for methods in (("low_rank",), ("embeddings", "low_rank")):
        space = space_of(*methods)
        for place in PLACES:
            points = [round(place * (len(choice.settings) - 1)) for choice in space.choices]
            kinds[f"{', '.join(methods)}: {place:.0%} of the ranks"] = [space.plan(points)]
    every, rng = space_of(*METHODS), random.Random(SEED)
    kinds["many neurons and heads, no ranks, int8 with table"] = [kept_everywhere(every, *MANY)]
    eighths = [share / 8 for share in range(1, 8)]
    kinds["heads and neurons from 1/8 to 7/8, no ranks, int8"] = [kept_everywhere(every, at, at) for at in eighths]
    kinds["every method, each choice at random"] = [every.random(rng) for _ in range(PLANS)]
    kinds["every method, random, from cheap to dear"] = draw_plans(every, PLANS, rng, set())
    for method in METHODS:
        alone = space_of(method)
        kinds[f"{method} alone, cheapest everywhere"] = [alone.plan([0] * len(alone.choices))]

    table = Table("plans", *("median ms", "95th percentile", "worst", f"above {LIMIT_MS:g} ms"))
    slowest: list[tuple[float, str]] = []
    for name, plans in kinds.items():
        times = [built_ms(model, plan, library) for plan in plans]
        slowest += [(ms, f"{name}: {words(every, plan)}") for ms, plan in zip(times, plans, strict=True)]
        cells = (statistics.median(times), quantile(times, 0.95), max(times))
        table.add_row(name, *(f"{ms:.0f}" for ms in cells), str(sum(ms > LIMIT_MS for ms in times)))
    Console(width=120).print(table)
    for ms, said in sorted(slowest, reverse=True)[:3]:
        print(f"{ms:.0f} ms: {said}")


def kept_everywhere(space: Space, neurons: float, heads: float) -> Plan:
    """The same shares of neurons and heads in all layers, every linear and the table rounded to int8; nothing else."""
    shares = {"width": neurons, "heads": heads}

    def index(choice: Choice) -> int:
        if choice.method == "bits":
            return 0
        if choice.method not in shares:
            return len(choice.settings)
        return min(max(round(shares[choice.method] * (len(choice.settings) + 1)) - 1, 0), len(choice.settings) - 1)

    return space.plan([index(choice) for choice in space.choices])


def built_ms(model: PreTrainedModel, plan: Plan, library: Library) -> float:
    """The median of several times."""
    times = []
    for _ in range(REPETITIONS):
        started = time.process_time()
        compress(model, plan, library)
        times.append(1000 * (time.process_time() - started))
    return statistics.median(times)


def words(space: Space, plan: Plan) -> str:
    """How many modules each method changes."""
    chosen = zip(space.choices, space.indices(plan), strict=True)
    names = [method_name(choice, choice.settings[at]) for choice, at in chosen if at < len(choice.settings)]
    return ", ".join(f"{name} x {names.count(name)}" for name in dict.fromkeys(names))


def quantile(values: Sequence[float], share: float) -> float:
    """The value that a share of them don't exceed."""
    return sorted(values)[min(round(share * len(values)), len(values) - 1)]


if __name__ == "__main__":
    main()
