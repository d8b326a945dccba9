"""Milliseconds to build a candidate from a run's library, at several places among the ranks that are offered.

python benchmarks/build.py runs/reuters
"""

import argparse
import statistics
import time
from pathlib import Path

import torch

from greenfront.search import RunFolder
from greenfront.spaces import Library, compress, find_space, load_checkpoint

PLACES = (0.75, 0.5, 0.25, 0.1)
"""0 is the least rank offered everywhere, 1 the largest, right below break-even."""
REPETITIONS = 9


def main() -> None:
    """Print the median per place, with and without the embedding table, on one thread."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("run", type=Path)
    run = RunFolder.existing(arguments.parse_args().run)
    torch.set_num_threads(1)
    config, model, library = run.load_config(), load_checkpoint(run.original), Library.load(run.library)
    for embeddings in (False, True):
        methods = ("embeddings", "low_rank") if embeddings else ("low_rank",)
        space = find_space(model, config.space.model_copy(update={"methods": methods}), config.data.max_length)
        where = "linears and embedding table" if embeddings else "linears"
        for place in PLACES:
            plan = space.plan([round(place * (len(choice.settings) - 1)) for choice in space.choices])
            times = []
            for _ in range(REPETITIONS):
                started = time.perf_counter()
                built = compress(model, plan, library)
                times.append(1000 * (time.perf_counter() - started))
            kept = built.num_parameters() / model.num_parameters()
            print(
                f"{where}, {place:.0%} of the ranks ({kept:.0%} of the model's parameters): "
                f"{statistics.median(times):.0f} ms (min {min(times):.0f})"
            )


if __name__ == "__main__":
    main()
