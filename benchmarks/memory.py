"""Resident memory of a process with a run's model, and of one that holds the run's library as well, as a worker does.

    python benchmarks/memory.py runs/reuters

Each in a fresh process, everything read once and copied into memory, as it arrives from Ray's object store.
"""

import argparse
import subprocess
import sys
from pathlib import Path

LIMIT = 1.5
"""Of the model's size: what a library may take on top of it."""


def main() -> None:
    """Print both processes' memory, and the library's as a share of the model's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--holds", choices=("nothing", "model", "library"), help="what a fresh process measures")
    arguments = parser.parse_args()
    if arguments.holds:
        print(resident_mb(arguments.run, arguments.holds))
        return
    nothing, model, library = (fresh(arguments.run, holds) for holds in ("nothing", "model", "library"))
    share = (library - model) / (model - nothing)
    print(f"imports alone {nothing:.0f} MB, with the model {model:.0f} MB, with its library {library:.0f} MB")
    print(
        f"the model takes {model - nothing:.1f} MB, the library {library - model:.1f} MB on top: "
        f"{share:.2f} times the model ({'within' if share <= LIMIT else 'beyond'} the limit of {LIMIT:g})"
    )


def fresh(run: Path, holds: str) -> float:
    """What a process of its own measures, in MB."""
    command = [sys.executable, __file__, str(run), "--holds", holds]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def resident_mb(path: Path, holds: str) -> float:
    """The resident set of this process with the model, and with its library, where these are asked for."""
    import torch

    from greenfront.hardware_profiles.resident import peak_resident_set, release_freed_memory, reset_resident_peak
    from greenfront.search import RunFolder
    from greenfront.search.worker import Worker
    from greenfront.spaces import Library, load_checkpoint

    held: list[object] = [Worker]
    torch.ones(64, 64) @ torch.ones(64, 64)  # loads what every worker has
    run = RunFolder.existing(path)
    if holds != "nothing":
        model = load_checkpoint(run.original)
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.data = tensor.data.clone()
        held.append(model)
    if holds == "library":
        library = Library.load(run.library)
        held.append(Library.from_tensors({name: tensor.clone() for name, tensor in library.tensors().items()}))
        del library
    release_freed_memory()
    reset_resident_peak()
    return peak_resident_set().megabytes


if __name__ == "__main__":
    main()
