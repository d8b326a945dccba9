"""Data for images: folders, files of paths and bytes; processed per batch as the model's processor says."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ResNetConfig, ResNetForImageClassification, ViTImageProcessorPil

from greenfront.config import DataConfig, ModelConfig
from greenfront.errors import DataError
from greenfront.evaluators import answer, fine_tune, load_data, load_original, predict, score
from greenfront.evaluators.image_examples import ImageExamples
from greenfront.evaluators.quiet import quiet

SaveModel = Callable[..., ModelConfig]


@pytest.mark.parametrize(("channels", "mode"), [(3, "RGB"), (1, "L")])
def test_without_a_processor_images_are_resized_and_scaled(
    save_vit: SaveModel, image_folder: Path, channels: int, mode: str
) -> None:
    data, processor = load_data(save_vit(channels=channels), DataConfig(path=str(image_folder)), 0)
    assert data.label_names == ("dark", "light")
    assert (len(data.train), len(data.validation), len(data.test)) == (11, 1, 6)
    assert set(data.test.lengths.tolist()) == {5}  # four patches and the class token
    pixels = data.test.batch(np.array([4, 0]))["pixel_values"]
    assert pixels.shape == (2, channels, 16, 16)
    assert pixels.dtype == torch.float32
    with Image.open(image_folder / "test" / "dark" / "0.png") as file:
        resized = np.asarray(file.convert(mode).resize((16, 16), Image.Resampling.BILINEAR), dtype=np.float32)
    expected = (resized.reshape(16, 16, channels).transpose(2, 0, 1) / 255 - 0.5) / 0.5
    assert np.abs(pixels[1].numpy() - expected).max() < 1e-5
    assert data.test.labels[4] == 1
    assert processor.size["height"] == 16


def test_the_checkpoints_own_processor_wins(save_vit: SaveModel, image_folder: Path) -> None:
    model = save_vit()
    ViTImageProcessorPil(size={"height": 8, "width": 8}, do_normalize=False).save_pretrained(model.path)
    data, processor = load_data(model, DataConfig(path=str(image_folder)), 0)
    pixels = data.train.batch(np.arange(3))["pixel_values"]
    assert pixels.shape == (3, 3, 8, 8)
    assert 0 <= pixels.min() < pixels.max() <= 1
    processor.save_pretrained(Path(model.path) / "again")


def test_images_travel_and_are_subset(save_vit: SaveModel, image_folder: Path) -> None:
    data, _ = load_data(save_vit(), DataConfig(path=str(image_folder)), 0)
    arrived = pickle.loads(pickle.dumps(data))
    assert torch.equal(
        arrived.train.subset(np.array([3, 1])).batch(np.array([1]))["pixel_values"],
        data.train.batch(np.array([1]))["pixel_values"],
    )
    assert arrived.train.digest() == data.train.digest()
    assert len(data.train.subset(np.array([], dtype=np.int64))) == 0
    swapped = data.train.subset(np.array([1, 0])).digest()
    assert swapped != data.train.subset(np.array([0, 1])).digest()


def test_paths_bytes_and_saved_images_are_the_same(save_vit: SaveModel, image_folder: Path, tmp_path: Path) -> None:
    files = sorted((image_folder / "train").rglob("*.png"))
    rows = [(file, file.parent.name) for file in files]
    (image_folder / "train.csv").write_text(
        "image,label\n" + "".join(f"{file.relative_to(image_folder)},{label}\n" for file, label in rows)
    )
    labels = [label for _, label in rows]
    raw = datasets.Dataset.from_dict({"image": [file.read_bytes() for file, _ in rows], "label": labels})
    saved = datasets.Dataset.from_dict({"image": [str(file) for file, _ in rows], "label": labels})
    with quiet():
        raw.to_parquet(str(tmp_path / "raw.parquet"))
        saved.cast_column("image", datasets.Image()).save_to_disk(str(tmp_path / "saved"))
    model = save_vit()
    sources: list[dict[str, Any]] = [
        {"train": str(image_folder / "train.csv")},
        {"train": str(tmp_path / "raw.parquet")},
        {"path": str(tmp_path / "saved")},
    ]
    fingerprints = {load_data(model, DataConfig(**source), 0)[0].fingerprint for source in sources}
    assert len(fingerprints) == 1


def test_upright_and_in_the_models_mode(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (4, 2), (255, 0, 0, 128))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees
    picture.save(tmp_path / "turned.png", exif=exif)
    encoded = np.frombuffer((tmp_path / "turned.png").read_bytes(), dtype=np.uint8)
    labels, offsets = np.array([0]), np.array([0, len(encoded)])
    processor = ViTImageProcessorPil()
    examples = ImageExamples(encoded, offsets, labels, processor=processor, channels=3, tokens=1)
    assert (examples.image(0).size, examples.image(0).mode) == ((2, 4), "RGB")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("missing.png", r"row 1 .*column 'image' names 'missing\.png', which can't be read"),
        ("", r"row 1 .*no image in column 'image'"),
        ("table.csv", r"row 1 .*column 'image' holds no image that can be read"),
    ],
)
def test_rows_without_an_image_are_named(save_vit: SaveModel, tmp_path: Path, image: str, message: str) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "good.png")
    (tmp_path / "table.csv").write_text(f"image,label\n{image},a\n" + "good.png,b\ngood.png,a\n" * 10)
    with pytest.raises(DataError, match=message):
        load_data(save_vit(), DataConfig(train=str(tmp_path / "table.csv")), 0)


def test_numbers_are_no_images(save_vit: SaveModel, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("image,label\n1,a\n2,b\n")
    with pytest.raises(DataError, match="must hold images, their bytes or paths, but has int"):
        load_data(save_vit(), DataConfig(train=str(tmp_path / "table.csv")), 0)


def test_a_model_without_size_or_processor_is_refused(image_folder: Path, tmp_path: Path) -> None:
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1])
    ResNetForImageClassification(config).save_pretrained(tmp_path / "resnet")
    model = ModelConfig(path=str(tmp_path / "resnet"), task="image-classification")
    with pytest.raises(DataError, match=r"neither a preprocessor_config\.json nor an image_size"):
        load_data(model, DataConfig(path=str(image_folder)), 0)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "resnet")
    data, _ = load_data(model, DataConfig(path=str(image_folder)), 0)
    original, _ = load_original(model, data.label_names)
    assert predict(original, data.test).shape == (6, 2)
    assert set(data.test.lengths.tolist()) == {1}


def test_a_vision_transformer_learns_dark_from_light(
    save_vit: SaveModel, image_folder: Path, quick: Callable[..., Any]
) -> None:
    model = save_vit(("a", "b"))
    data, _ = load_data(model, DataConfig(path=str(image_folder)), 0)
    original, untrained = load_original(model, data.label_names)
    assert untrained
    fine_tune(original, data.train, quick(original_epochs=8.0, original_learning_rate=3e-3), seed=0)
    assert score(answer(original, data.test, "accuracy")).value == 1.0
