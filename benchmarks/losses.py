"""Predicted against measured losses: of random and allocated plans, one method at a time and all together.

    python benchmarks/losses.py runs/reuters

A plan's predicted loss is the sum over its settings; measured is the mean KL(original || compressed) on validation,
before any training, and for the run's own trials after it. `closed`: closed forms wherever the library has one;
`scored`: significance as a search takes it. `ratio` is measured over predicted: median, 10th and 90th percentile.
"""

import argparse
import logging
import os
import random
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau

from greenfront.config import RunConfig
from greenfront.errors import PlanError
from greenfront.evaluators import Outputs, load_data, predict
from greenfront.evaluators.replace_one import divergences
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search import RunFolder
from greenfront.search.allocation import Limit, allocate, cheapest
from greenfront.search.journal import NAME
from greenfront.search.limits import changes
from greenfront.search.prepare import Teacher, prepare_significance
from greenfront.search.profiles import useful
from greenfront.search.progress import Silent
from greenfront.search.some_examples import telling_batches
from greenfront.spaces import Choice, Library, Plan, Settings, Space, find_space, load_checkpoint
from greenfront.spaces.compression import method_of

LEVELS = (0.4, 0.6, 0.8, 0.95)
"""Of the way from the original's latency to the cheapest plan's."""
RANDOM, SEED = 4, 2026
Losses = dict[str, list[float]]


def main() -> None:
    """Print a table of errors and one of what allocations come to."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("run", type=Path)
    arguments.add_argument("--examples", type=int, default=128, help="of validation, to measure on")
    asked = arguments.parse_args()
    logging.getLogger("greenfront").setLevel(logging.ERROR)
    run = RunFolder.existing(asked.run)
    config: RunConfig = run.load_config()
    data, _ = load_data(config.model, config.data, config.search.seed)
    model, library = load_checkpoint(run.original), Library.load(run.library)
    target = config.hardware[0]
    profile = HardwareProfile.load(run.profile(target.name))
    space = useful(find_space(model, config.space, config.target_length(target)), {target.name: profile}, config)
    logits = predict(model, data.validation)
    teacher = Teacher(data.train, None, logits, Outputs.of(logits, data.validation, config.data.metric))
    started = time.perf_counter()
    scored = prepare_significance(config, run, space, data, model, library, teacher, Silent())
    print(f"settings scored, or read from the run, in {time.perf_counter() - started:.0f} s")
    losses = {"closed": closed_forms(space, library, scored), "scored": scored}

    plans: dict[tuple[str, str], Plan] = {}
    for name, part in parts(space):
        rng = random.Random(SEED)
        plans |= {(name, f"random {number}"): drawn(part, rng) for number in range(RANDOM)}
        latency = changes(part, profile, "latency")
        for kind, level in ((kind, level) for kind in losses for level in LEVELS):
            plan = allocate(part, losses[kind], [Limit(latency, level * cheapest(part, latency))])
            if plan is not None:
                plans[name, f"{kind} {level:.0%}"] = plan
    batches, weights = telling_batches(data.validation, logits, seed=SEED, count=asked.examples)
    found = divergences(model, list(plans.values()), library, batches, weights=weights)
    measured = dict(zip(plans, found, strict=True))
    groups = {name: [(plans[key], measured[key]) for key in plans if key[0] == name] for name, _ in parts(space)}
    groups["trained"] = list(trained(run, space))
    console = Console(width=120)
    console.print(errors(groups, space, losses))
    console.print(allocations(measured, profile, plans))


def closed_forms(space: Space, library: Library, scored: Losses) -> Losses:
    """The losses as closed forms have them, where there are any."""
    known = {c.name: [library.loss(c.site.path, settings) for settings in c.options] for c in space.choices}
    return {
        name: [measured if loss is None else loss for loss, measured in zip(of_options, scored[name], strict=True)]
        for name, of_options in known.items()
    }


def _is_of(name: str, choice: Choice, settings: Settings) -> bool:
    return method_of(settings).name == name


def parts(space: Space) -> Iterator[tuple[str, Space]]:
    """The space of each method alone, then all of it."""
    for name in dict.fromkeys(method_of(settings).name for choice in space.choices for settings in choice.settings):
        yield name, space.restrict(partial(_is_of, name))
    yield "together", space


def drawn(space: Space, rng: random.Random) -> Plan:
    """A random plan: a share of the choices is changed, about equally strongly."""
    share, level = rng.random(), rng.random()
    indices = []
    for choice in space.choices:
        last = len(choice.settings)
        option = round(last * min(max(level + rng.uniform(-0.25, 0.25), 0), 1))
        indices.append(option if rng.random() < share else last)
    return space.plan(indices)


def predicted(space: Space, losses: Losses, plan: Plan) -> float:
    """The sum over a plan's settings."""
    return sum(losses[c.name][index] for c, index in zip(space.choices, space.indices(plan), strict=True))


def trained(run: RunFolder, space: Space) -> Iterator[tuple[Plan, float]]:
    """The run's trials with their divergence after training."""
    study = optuna.load_study(study_name=NAME, storage=JournalStorage(JournalFileBackend(str(run.study))))
    for trial in study.trials:
        plan = Plan.from_json(trial.user_attrs["plan"])
        try:
            space.indices(plan)
        except PlanError:
            continue
        if trial.user_attrs["divergence"] is not None:
            yield plan, trial.user_attrs["divergence"]


def errors(groups: dict[str, list[tuple[Plan, float]]], space: Space, losses: dict[str, Losses]) -> Table:
    """How well sums predict, a row a group."""
    table = Table("plans", "number", *(f"{kind}: {what}" for kind in losses for what in ("tau", "ratio")))
    for name, pairs in groups.items():
        row = [name, str(len(pairs))]
        for of_kind in losses.values():
            both = [(predicted(space, of_kind, plan), loss) for plan, loss in pairs if plan]
            row += _error([pair for pair in both if min(pair) > 0])
        table.add_row(*row)
    return table


def _error(pairs: Sequence[tuple[float, float]]) -> list[str]:
    if len(pairs) < 2:
        return ["", ""]
    guessed, found = np.array(pairs).T
    low, median, high = np.quantile(found / guessed, [0.1, 0.5, 0.9])
    return [f"{kendalltau(guessed, found).statistic:.2f}", f"{median:.2f} ({low:.2f} to {high:.2f})"]


def allocations(
    measured: dict[tuple[str, str], float], profile: HardwareProfile, plans: dict[tuple[str, str], Plan]
) -> Table:
    """What the best plans by each kind of losses come to when measured, at equal latency."""
    table = Table("allocated", "predicted ms", "closed (nats)", "scored (nats)", title="measured loss")
    for (name, what), loss in measured.items():
        kind, _, level = what.partition(" ")
        if kind == "closed" and (name, f"scored {level}") in measured:
            ms, other = profile.predict(plans[name, what]).latency_ms.median, measured[name, f"scored {level}"]
            table.add_row(f"{name} {level}", f"{ms:.2f}", f"{loss:.4f}", f"{other:.4f}")
    return table


if __name__ == "__main__":
    main()
