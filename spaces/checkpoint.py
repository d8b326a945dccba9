"""Folders that Transformers loads: weights, configuration with the Plan, tokenizer or image processor."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import transformers
from transformers import PreTrainedModel

from greenfront.errors import DataError
from greenfront.spaces.plan import Plan


def save_checkpoint(model: PreTrainedModel, folder: Path, processor: Any = None) -> None:
    """Write model and processor so that `from_pretrained` reads them, whole or not at all."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    with without_bars():
        model.save_pretrained(partial)
        if processor is not None:
            processor.save_pretrained(partial)
    for path in partial.iterdir():
        path.chmod(0o644)  # weights are written private; a checkpoint is for whoever may read the folder
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(partial, folder)


def load_checkpoint(folder: Path) -> PreTrainedModel:
    """The model of a saved folder, compressed or not, in evaluation mode, without touching the network.

    Raises:
        DataError: the folder is missing, has no readable config.json, or names an unknown architecture.
    """
    try:
        architecture = json.loads((folder / "config.json").read_text())["architectures"][0]
        model_class = getattr(transformers, architecture)
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise DataError(f"{folder}: not a saved model ({type(error).__name__}: {error})") from error
    with without_bars():
        model: PreTrainedModel = model_class.from_pretrained(folder, local_files_only=True)
    model.eval()
    return model


@contextmanager
def without_bars() -> Iterator[None]:
    """Transformers' own progress bars are off inside: they would tear the ones of a run."""
    shown = transformers.logging.is_progress_bar_enabled()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers.logging.enable_progress_bar()


def plan_of(model: PreTrainedModel) -> Plan:
    """The Plan that a model's configuration carries; empty for an uncompressed model."""
    carried = getattr(model.config, "quantization_config", None)
    raw = carried.get("plan") if isinstance(carried, dict) else getattr(carried, "plan", None)
    return Plan(raw)


def weight_bytes(folder: Path) -> int:
    """Bytes of a folder's weight files."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))
