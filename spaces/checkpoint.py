"""Folders that Transformers loads: weights, configuration with the Plan, tokenizer or image processor."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import transformers
from safetensors import SafetensorError, safe_open
from transformers import CONFIG_MAPPING, PreTrainedModel

from greenfront.durable import replacing
from greenfront.errors import DataError, GreenfrontError
from greenfront.spaces.model_files import read_model_config
from greenfront.spaces.plan import Plan


def save_checkpoint(model: PreTrainedModel, folder: Path, processor: Any = None) -> None:
    """Write model and processor so that `from_pretrained` reads them, whole or not at all.

    Raises:
        DataError: a processor that would write elsewhere.
        RunError: they can't be written.
    """
    with replacing(folder) as partial, without_bars():
        partial.mkdir(parents=True)
        model.save_pretrained(partial)
        if processor is not None:
            _save_processor(processor, partial)


def _save_processor(processor: Any, folder: Path) -> None:
    try:
        processor.save_pretrained(folder)
    except ValueError as error:  # a template of the tokenizer's whose name leads out of the folder
        raise DataError(f"the model's {type(processor).__name__} can't be saved: {_first_line(error)}") from error


def load_checkpoint(folder: Path) -> PreTrainedModel:
    """The model of a saved folder, compressed or not, in evaluation mode, without touching the network.

    Raises:
        DataError: names the folder, its config.json or the file of weights that is missing or can't be read, or an
            architecture that Transformers hasn't: code that comes with a model is never run.
        PlanError: the Plan in config.json doesn't fit the architecture.
    """
    config = folder / "config.json"
    try:
        raw = read_model_config(folder)
        architecture = raw["architectures"][0]
        model_class = getattr(transformers, architecture)
    except (KeyError, IndexError, TypeError, AttributeError, ImportError) as error:
        raise DataError(f"{folder}: not a saved model ({type(error).__name__}: {error})") from error
    if not (isinstance(model_class, type) and issubclass(model_class, PreTrainedModel)):
        raise DataError(f"{config}: architectures must name a model class of Transformers, but got {architecture!r}")
    if str(raw.get("model_type")) not in CONFIG_MAPPING:
        rule = "code that comes with a model is never run; model_type must be one that Transformers has itself"
        raise DataError(f"{config}: {rule}, but got {raw.get('model_type')!r}")
    _check_weights(folder)
    try:
        with without_bars():
            load: Any = model_class.from_pretrained
            model, info = load(
                folder, local_files_only=True, use_safetensors=True, ignore_mismatched_sizes=True,
                output_loading_info=True,
            )  # fmt: skip
    except GreenfrontError:
        raise
    except Exception as error:  # a broken configuration fails as its architecture pleases
        raise DataError(f"{config}: no {architecture} can be made of it ({_first_line(error)})") from error
    wrong = sorted({*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])})
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        what = f"missing or of another shape are {', '.join(wrong[:3])}{more}"
        raise DataError(f"{folder}: the weights don't fit config.json: {what}")
    loaded: PreTrainedModel = model
    loaded.eval()
    return loaded


def _check_weights(folder: Path) -> None:
    """Raise DataError, naming the file, unless there are weights and each file of them can be read to its end."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise DataError(f"{folder}: not a saved model (it has no weights: there is no model.safetensors)")
    for path in files:
        try:
            with safe_open(path, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise DataError(f"{path}: can't be read as weights ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


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
