"""What a run began with: a later start with other data, another model or another profile is refused, and says so."""

import hashlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from greenfront.config import RunConfig, TargetConfig
from greenfront.errors import DataError, RunError
from greenfront.evaluators import TaskData
from greenfront.hardware_profiles import HardwareProfile, fingerprint
from greenfront.json_source import read_json
from greenfront.search.droppable import droppable
from greenfront.search.run_folder import RunFolder

READ = ("*.safetensors", "*.bin", "*.json", "*.txt", "*.model", "*.py")
"""Files of a model's folder that make it: weights, configuration, tokenizer, code."""
WHOLE, PIECES, PIECE = 2**24, 64, 2**16
"""Bytes: files up to the first are read whole. Of larger ones `PIECES` of `PIECE`, spread over the file: training
changes weights everywhere, and all of a model of 15 GB would take half a minute at every start."""


def check_begun_with(config: RunConfig, run: RunFolder, data: TaskData) -> None:
    """Compare data and model with those that the run began with; the first start writes them down.

    Raises:
        DataError: they are others now; names which, and what to do.
        RunError: what was written down can't be read.
    """
    model = model_fingerprint(Path(config.model.path))
    path = run.environment
    if not path.exists():
        run.write_json(path, {"data": data.fingerprint, "model": model, "machine": environment()})
        return
    with droppable(path, "data and model can't be compared any more with those that the run began with"):
        before = read_json(path)
        known = {"data": str(before["data"]), "model": before.get("model")}
    for name, now, what in (("data", data.fingerprint, "data have"), ("model", model, "model has")):
        then = known[name]
        if now is not None and then is not None and now != then:
            raise DataError(
                f"{name}: the {what} changed since this run began (fingerprint {now[:12]}, then {then[:12]}); "
                "choose another output folder, or restore the files"
            )


def check_profile(kept: Path, target: TargetConfig, read: Callable[[Path], HardwareProfile]) -> None:
    """Compare the profile that a target names, if it does, with the one that the run has kept of it.

    Raises:
        RunError: they differ, or the kept one can't be read.
    """
    cost = f"target {target.name} is measured again, and trials go on only if the same settings are worth having then"
    with droppable(kept, cost):
        before = HardwareProfile.load(kept)
    if target.profile is None or not target.profile.is_file():
        return
    if read(target.profile).operations != before.operations:
        raise RunError(
            f"hardware {target.name!r}: {target.profile} has changed since this run began, which predicts by its copy "
            f"{kept}; choose another output folder, or restore the file"
        )


def model_fingerprint(folder: Path) -> str | None:
    """SHA-256 of names, sizes and contents of a model's files; None of a hub id, whose files nobody edits."""
    if not folder.is_dir():
        return None
    found = hashlib.sha256()
    for path in sorted({path for pattern in READ for path in folder.glob(pattern)}):
        size = path.stat().st_size
        found.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            if size <= WHOLE:
                found.update(file.read())
                continue
            for piece in range(PIECES):
                file.seek(piece * (size - PIECE) // (PIECES - 1))
                found.update(file.read(PIECE))
    return found.hexdigest()


def environment() -> dict[str, Any]:
    """The machine and the versions that a run's numbers belong to."""
    libraries = ("greenfront", "torch", "transformers", "optuna", "ray", "datasets", "numpy", "scipy")
    versions = {name: importlib.metadata.version(name) for name in libraries}
    return {**asdict(fingerprint()), "versions": versions}
