"""Milliseconds to build a candidate from a run's library, at several shares of the linear parameters.

python benchmarks/build.py runs/reuters
"""

import argparse
import statistics
import time
from pathlib import Path

import torch

from greenfront.search import RunFolder
from greenfront.search.allocation import uniform
from greenfront.spaces import Library, compress, find_space, load_checkpoint

REPETITIONS = 9


def main() -> None:
    """Print the median per share, with and without the embedding table, on one thread."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("run", type=Path)
    run = RunFolder.existing(arguments.parse_args().run)
    torch.set_num_threads(1)
    config, model, library = run.load_config(), load_checkpoint(run.original), Library.load(run.library)
    for embeddings in (False, True):
        methods = ("embeddings", "low_rank") if embeddings else ("low_rank",)
        space = find_space(model, config.space.model_copy(update={"methods": methods}), 8)
        change = {
            c.name: [
                int(s["rank"]) * sum(c.site.shape) - c.site.shape[0] * c.site.shape[1] if s else 0.0 for s in c.options
            ]
            for c in space.choices
        }
        total = sum(c.site.shape[0] * c.site.shape[1] for c in space.choices)
        for share in (0.75, 0.5, 0.25, 0.1):
            plan = uniform(space, change, (share - 1) * total)
            assert plan is not None
            times = []
            for _ in range(REPETITIONS):
                started = time.perf_counter()
                compress(model, plan, library)
                times.append(1000 * (time.perf_counter() - started))
            where = "linears and embedding table" if embeddings else "linears"
            print(f"{where}, {share:.0%} of their parameters: {statistics.median(times):.0f} ms (min {min(times):.0f})")


if __name__ == "__main__":
    main()
