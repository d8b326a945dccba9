"""Milliseconds of processor time that a plan takes to be proposed, by how deep the model is and how many are under way.

    python benchmarks/proposing.py runs/reuters --layers 6 12 24 48 --under-way 1 1000

Space, costs and losses are a run's, its layers repeated as in `allocation.py`. The learning sampler is asked by a study
with so many scored trials and so many under way. A driver takes some milliseconds more a trial, for the journal.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import optuna
from allocation import deeper, of_run
from rich.console import Console
from rich.table import Table

from greenfront.hardware_profiles import HardwareProfile
from greenfront.search import RunFolder
from greenfront.search.allocation import Axis, Limit, cheapest
from greenfront.search.allocation_sampler import AllocationSampler
from greenfront.search.encodings import AllocationEncoding


def main() -> None:
    """Print a row per depth."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("run", type=Path)
    arguments.add_argument("--layers", type=int, nargs="+", default=[6, 12, 24, 48])
    arguments.add_argument("--under-way", type=int, nargs="+", default=[1, 1000])
    arguments.add_argument("--scored", type=int, default=500)
    arguments.add_argument("--asked", type=int, default=50)
    asked = arguments.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    run = RunFolder.existing(asked.run)
    target = run.load_config().hardware[0]
    latency_ms = HardwareProfile.load(run.profile(target.name)).original.value("latency_ms")
    space, losses, changes = of_run(run)
    per_layer = latency_ms / cheapest(space, changes["latency_ms"])
    table = Table("layers", "states", "groups", *(f"ms, {count} under way" for count in asked.under_way))
    for layers in asked.layers:
        deep, deep_losses, deep_changes = deeper(space, losses, changes, layers)
        original = per_layer * cheapest(deep, deep_changes["latency_ms"])
        axis = Axis("latency", deep_changes["latency_ms"], original, original)
        size = deep_changes["size_mb"]
        encoding = AllocationEncoding(deep, deep_losses, [Limit(size, 0.5 * cheapest(deep, size))], [axis])
        states = sum(len(site.states) for site in deep.states)
        times = [milliseconds(encoding, asked.scored, count, asked.asked) for count in asked.under_way]
        table.add_row(str(layers), f"{states:,}", str(len(encoding.groups)), *(f"{ms:.1f}" for ms in times))
    Console(width=120).print(table)


def milliseconds(encoding: AllocationEncoding, scored: int, under_way: int, asked: int) -> float:
    """The mean over `asked` proposals, each told before the next one; the first trials are drawn at random."""
    rng, sampler = np.random.default_rng(0), AllocationSampler(encoding)
    study = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
    drawn = [
        encoding.named(rng.uniform(size=1), 0.3 * rng.normal(size=len(encoding.groups)))
        for _ in range(min(scored + under_way, 200))
    ]  # more of them, in other orders, are as good to fill a study: a solver takes its time
    for number in range(scored + under_way):
        study.enqueue_trial(drawn[number % len(drawn)])
        trial = study.ask(encoding.distributions)
        if number < scored:
            tell(study, trial, encoding, rng)
    spent = 0.0
    for number in range(asked + 2):
        began = time.process_time()
        trial = study.ask(encoding.distributions)
        spent += time.process_time() - began if number >= 2 else 0.0  # the first ones find the model
        tell(study, trial, encoding, rng)
    return 1000 * spent / asked


def tell(study: optuna.Study, trial: optuna.Trial, encoding: AllocationEncoding, rng: np.random.Generator) -> None:
    """As predicted, but for an error of 5%."""
    found = encoding.allocated(trial.params)
    study.tell(trial, [float(found.parts.sum() * np.exp(0.05 * rng.normal())) + 1e-3, float(found.costs[0])])


if __name__ == "__main__":
    main()
