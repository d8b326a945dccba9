"""Accuracy at a share of the encoder's linear parameters, before any training.

    python benchmarks/before_training.py runs/reuters [more runs ...]

Compares the two-sided factorization allocated by its own predicted loss with plain SVD at one uniform rank share (and
what lies between), on the test split of finished runs, whose fine-tuned original is used. Embeddings stay whole.
"""

import argparse
import logging
import os
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from rich.console import Console
from rich.table import Table
from transformers import PreTrainedModel

from greenfront.config import LowRankConfig, RunConfig, SpaceConfig
from greenfront.evaluators import TaskData, answer, load_data, score
from greenfront.search import RunFolder
from greenfront.search.allocation import Limit, allocate, uniform
from greenfront.search.prepare import calibration_batches
from greenfront.spaces import Library, Plan, Settings, Space, compress, find_space, load_checkpoint

SHARES = (0.5, 0.33, 0.25, 0.12)
DECOMPOSITIONS = ("plain", "input", "two_sided")


def main() -> None:
    """Print one table per run."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("runs", nargs="+", type=Path)
    arguments.add_argument("--shares", nargs="+", type=float, default=SHARES)
    arguments.add_argument("--decompositions", nargs="+", choices=DECOMPOSITIONS, default=DECOMPOSITIONS)
    logging.getLogger("greenfront").setLevel(logging.ERROR)
    asked = arguments.parse_args()
    for path in asked.runs:
        Console(width=120).print(measure(RunFolder.existing(path), asked.shares, asked.decompositions))


def measure(run: RunFolder, shares: Sequence[float], decompositions: Sequence[str]) -> Table:
    """Test accuracy per share, decomposition and allocation."""
    config: RunConfig = run.load_config()
    data, _ = load_data(config.model, config.data, config.search.seed)
    model = load_checkpoint(run.original)
    metric = config.data.metric

    def accuracy(plan: Plan, library: Library | None) -> float:
        return score(answer(compress(model, plan, library), data.test, metric)).value

    original = accuracy(Plan(), None)
    table = Table(title=f"{run.path.name}: {metric} on {len(data.test):,} test examples; original {original:.4f}")
    table.add_column("share kept")
    spaces = {name: _space(model, config, name) for name in decompositions}
    libraries = {name: _library(model, data, config, *spaces[name]) for name in decompositions}
    for name in decompositions:
        table.add_column(f"{name}, uniform", justify="right")
        table.add_column(f"{name}, allocated", justify="right")
    for share in shares:
        row = [f"{share:.2f}"]
        for name in decompositions:
            space, library = spaces[name][0], libraries[name]
            change = {c.site.path: [_change(c.site.shape, s) for s in c.options] for c in space.choices}
            most = (share - 1) * sum(c.site.shape[0] * c.site.shape[1] for c in space.choices)
            losses = {c.name: [library.loss(c.site.path, s) or 0.0 for s in c.options] for c in space.choices}
            for plan in (uniform(space, change, most), allocate(space, losses, [Limit(change, most)])):
                assert plan is not None
                found = accuracy(plan, library)
                row.append(f"{found:.4f} ({found / original:.0%})")
        table.add_row(*row)
    return table


def _space(model: PreTrainedModel, config: RunConfig, decomposition: str) -> tuple[Space, SpaceConfig]:
    low_rank = LowRankConfig(decomposition=decomposition)  # type: ignore[arg-type]
    space_config = SpaceConfig(methods=("low_rank",), low_rank=low_rank)
    return find_space(model, space_config, config.data.max_length), space_config


def _library(
    model: PreTrainedModel, data: TaskData, config: RunConfig, space: Space, space_config: SpaceConfig
) -> Library:
    batches = calibration_batches(data.calibration)
    return Library.compute(model, batches, space, space_config, seed=config.search.seed)


def _change(shape: tuple[int, int], settings: Settings) -> float:
    return int(settings["rank"]) * sum(shape) - shape[0] * shape[1] if settings else 0.0


if __name__ == "__main__":
    main()
