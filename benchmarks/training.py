"""What quick fine-tuning makes of plans from mild to strong: divergence on validation before and after, and seconds.

    python benchmarks/training.py runs/reuters [--shares 0.9 0.35 0.07] [--seeds 3] [--full-rate]

Plans are the closed-form allocations at shares of the original's predicted latency; original, library and losses are
those of a finished run. With `--full-rate` every plan is trained at the configured rate, whatever it lost, and kept.
"""

import argparse
import dataclasses
import os
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from rich.console import Console
from rich.table import Table

from greenfront.config import RunConfig
from greenfront.evaluators import Significance
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search import RunFolder
from greenfront.search.allocation import Limit, allocate
from greenfront.search.prepare import prepare_original, prepare_teacher
from greenfront.search.profiles import useful
from greenfront.search.progress import Silent
from greenfront.search.trimming import prepare_base
from greenfront.search.worker import Assignment, Outcome, Worker
from greenfront.spaces import Library, Plan, find_space, load_checkpoint

SHARES = (0.9, 0.6, 0.35, 0.15, 0.07)


def main() -> None:
    """Print a row per plan and seed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("run", type=Path)
    arguments.add_argument("--shares", nargs="+", type=float, default=SHARES)
    arguments.add_argument("--seeds", type=int, default=1)
    arguments.add_argument("--full-rate", action="store_true")
    asked = arguments.parse_args()
    run = RunFolder.existing(asked.run)
    config: RunConfig = run.load_config()
    table = Table("latency", "plan", "untrained", "trained", "metric", "kept untrained", "seconds")
    work = assignment(run, config)
    for share, plan in plans(run, config, asked.shares):
        outcomes = [evaluate(work, plan, seed, full=asked.full_rate) for seed in range(asked.seeds)]
        before = evaluate(work, plan, 0, full=False, steps=0)
        after = [outcome.divergence or 0.0 for outcome in outcomes]
        table.add_row(
            f"{share:.0%}", plan.id, f"{before.divergence:.5f}", " ".join(f"{value:.5f}" for value in after),
            f"{before.validation:.3f} → {statistics.mean(o.validation or 0.0 for o in outcomes):.3f}",
            f"{sum(o.untrained for o in outcomes)} of {len(outcomes)}",
            f"{statistics.mean(o.seconds for o in outcomes):.1f}",
        )  # fmt: skip
    Console(width=120).print(table)


def assignment(run: RunFolder, config: RunConfig) -> Assignment:
    """What a worker of this run has."""
    base = prepare_base(config, run, *prepare_original(config, run, Silent()), Silent())
    teacher = prepare_teacher(config, run, base.data, base.model, Silent())
    return Assignment(
        original=base.model, library=Library.load(run.library), train=teacher.train, train_logits=teacher.train_logits,
        validation=base.data.validation, validation_logits=teacher.validation_logits, fine_tune=config.fine_tune,
        metric=config.data.metric, seed=0, threads=config.ray.threads_per_worker,
    )  # fmt: skip


def plans(run: RunFolder, config: RunConfig, shares: Sequence[float]) -> Iterator[tuple[float, Plan]]:
    """The plan of least predicted loss within each share of the original's latency; none where none is."""
    target = config.hardware[0]
    profile = HardwareProfile.load(run.profile(target.name))
    whole = find_space(load_checkpoint(run.base), config.space, config.target_length(target))
    space = useful(whole, {target.name: profile}, config)
    losses = Significance.from_json(run.significance.read_text()).losses
    change = {site.path: profile.state_costs(site, "latency_ms") for site in space.states}
    latency = profile.predict(Plan()).latency_ms.median
    for share in shares:
        plan = allocate(space, losses, [Limit(change, (share - 1) * latency)])
        if plan:
            yield profile.predict(plan).latency_ms.median / latency, plan


def evaluate(work: Assignment, plan: Plan, seed: int, *, full: bool, steps: int | None = None) -> Outcome:
    """One trial, as a worker does it."""
    steps = work.fine_tune.steps if steps is None else steps
    settings = work.fine_tune.model_copy(update={"steps": steps})
    worker = Worker(dataclasses.replace(work, fine_tune=settings, seed=seed))
    if not full:
        return worker.evaluate(plan.to_json())[0]
    with (
        patch("greenfront.evaluators.training.share_of_peak", lambda _: 1.0),
        patch("greenfront.search.worker.share_of_peak", lambda _: 1.0),  # it has imported its own
        patch("greenfront.search.worker.clearly_better", lambda *_: True),
    ):
        return worker.evaluate(plan.to_json())[0]


if __name__ == "__main__":
    main()
