"""The model folder the user names: its configuration and its weights, or one clear error."""

from pathlib import Path
from typing import Any

from transformers import AutoConfig, PretrainedConfig

from greenfront.config import ModelConfig
from greenfront.errors import DataError
from greenfront.evaluators.names import reason
from greenfront.evaluators.quiet import quiet
from greenfront.spaces.model_files import read_model_config, refuse_kernels


def read_config(model: ModelConfig) -> PretrainedConfig:
    """The checkpoint's config.json.

    Raises:
        DataError: no such folder, no config.json in it, an unknown architecture, files that can't be used or
        ask for code of the hub, or a hub id that can't be reached.
    """
    folder = Path(model.path)
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise DataError(f"model.path: {model.path!r} has no config.json; it must be a folder of a Transformers model")
    if folder.is_dir():
        read_model_config(folder)
    config: PretrainedConfig = load(AutoConfig, model)
    refuse_kernels(config, f"model.path: the config.json of {model.path!r}")
    return config


def load(auto_class: Any, model: ModelConfig, **arguments: Any) -> Any:
    """`auto_class.from_pretrained(model.path, ...)`, quiet, with the errors of `read_config`."""
    try:
        with quiet():
            return auto_class.from_pretrained(model.path, trust_remote_code=False, **arguments)
    except Exception as error:  # OSError, ValueError, KeyError, SafetensorError, ... by architecture
        raise load_error(model, error) from error


def load_error(model: ModelConfig, error: Exception) -> DataError:
    """What to say when something of the checkpoint doesn't load."""
    path = model.path
    if "trust_remote_code" in str(error):
        return DataError(
            f"model.path: {path!r} comes with code of its own, which is never run; "
            f"the model must be of an architecture that Transformers has itself"
        )
    if Path(path).is_dir():
        return DataError(f"model.path: {path!r} can't be loaded for {model.task} ({reason(error)})")
    if Path(path).is_absolute() or path.startswith((".", "~")) or path.count("/") > 1:
        return DataError(f"model.path: no such folder: {path!r}")
    return DataError(
        f"model.path: {path!r} is not a folder here, and could not be loaded as a hub id ({reason(error)}). "
        f"Without a network, fetch it elsewhere with `hf download {path} --local-dir FOLDER` "
        "and set model.path to that folder"
    )
