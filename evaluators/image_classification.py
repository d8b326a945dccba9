"""Image classification: one image, one label."""

import io
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    BaseImageProcessor,
    PretrainedConfig,
    ViTImageProcessorPil,
)

from greenfront.config import DataConfig, ModelConfig
from greenfront.errors import DataError
from greenfront.evaluators.checkpoints import load
from greenfront.evaluators.examples import Examples
from greenfront.evaluators.image_examples import MODES, ImageExamples
from greenfront.evaluators.labels import Labels
from greenfront.evaluators.splits import Keys, hashed
from greenfront.evaluators.tables import Table, values
from greenfront.evaluators.task import Task


class ImageClassification(Task):
    """Any `AutoModelForImageClassification`; images as `datasets.Image`, as bytes or as paths of files."""

    name = "image-classification"
    head = "ForImageClassification"
    auto_class = AutoModelForImageClassification

    def columns(self, data: DataConfig) -> dict[str, str]:
        """The image and the label."""
        return {"data.image": data.image, "data.label": data.label}

    def processor(self, model: ModelConfig, config: PretrainedConfig, data: DataConfig) -> Any:
        """The checkpoint's image processor, on PIL; without one, images are resized and scaled to [-1, 1]."""
        folder = Path(model.path)
        if folder.is_dir() and not (folder / "preprocessor_config.json").is_file():
            return _plain_processor(model, config)
        return load(AutoImageProcessor, model, backend="pil")

    def encode(
        self, table: Table, labels: Labels, data: DataConfig, processor: Any, config: PretrainedConfig
    ) -> ImageExamples:
        """The encoded images; each is opened once here, so that what isn't an image is found before
        training."""
        ids = labels.encode(table, data.label)
        encoded = _encoded(table, data.image)
        for row, image in enumerate(encoded):
            try:
                Image.open(io.BytesIO(image)).close()
            except OSError as error:
                raise table.row_error(row, f"column {data.image!r} holds no image that can be read") from error
        offsets = np.concatenate([[0], np.cumsum([len(image) for image in encoded])]).astype(np.int64)
        return ImageExamples(
            np.frombuffer(b"".join(encoded), dtype=np.uint8),
            offsets,
            ids,
            processor=processor,
            channels=_channels(config),
            tokens=_tokens(config),
        )

    def keys(self, table: Table, data: DataConfig, examples: Examples) -> Keys:
        """A hash of the encoded image."""
        return hashed(_encoded(table, data.image))


def _encoded(table: Table, column: str) -> list[bytes]:
    feature = table.rows.features[column]
    # A relative path stands beside the file that names it, as in any table of images.
    beside = Path(table.source).parent if Path(table.source).is_file() else Path()
    result = []
    for row, value in enumerate(values(table, column)):
        if isinstance(feature, datasets.Image) and value is not None:
            value = value["bytes"] if value["bytes"] is not None else value["path"]
        if value is None:
            raise table.row_error(row, f"no image in column {column!r}")
        if isinstance(value, str):
            try:
                value = (beside / value).read_bytes()
            except OSError as error:
                raise table.row_error(row, f"column {column!r} names {value!r}, which can't be read") from error
        if not isinstance(value, bytes):
            raise table.row_error(
                row,
                f"column {column!r} must hold images, their bytes or paths, but has {type(value).__name__}",
            )
        result.append(value)
    return result


def _plain_processor(model: ModelConfig, config: PretrainedConfig) -> BaseImageProcessor:
    size = getattr(config, "image_size", None)
    if size is None:
        raise DataError(
            f"model.path: {model.path!r} has neither a preprocessor_config.json nor an image_size in its config.json"
        )
    height, width = size if isinstance(size, list | tuple) else (size, size)
    half = [0.5] * _channels(config)
    return ViTImageProcessorPil(size={"height": height, "width": width}, image_mean=half, image_std=half)


def _channels(config: PretrainedConfig) -> int:
    channels = int(getattr(config, "num_channels", 3))
    if channels not in MODES:
        raise DataError(f"config.json: num_channels must be one of {', '.join(map(str, MODES))}, but is {channels}")
    return channels


def _tokens(config: PretrainedConfig) -> int:
    """Patches and the class token of a vision transformer; 1 for models without patches."""
    size: Any = getattr(config, "image_size", None)
    patch: Any = getattr(config, "patch_size", None)
    if size is None or patch is None:
        return 1
    sides = size if isinstance(size, list | tuple) else (size, size)
    patches = patch if isinstance(patch, list | tuple) else (patch, patch)
    across, down = (int(side) // int(one) for side, one in zip(sides, patches, strict=True))
    return 1 + across * down
