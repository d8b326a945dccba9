"""Images, by the example of digits: a small ViT without a head, from a folder of pictures to a measured front."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ViTConfig, ViTModel

from tests.end_to_end.small_form import small_form
from tests.end_to_end.tiny_task import inside
from tests.measuring import few_processes

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Ray's own children, at shutdown


def save_vit(folder: Path) -> None:
    """A ViT of two layers with random weights and no preprocessor_config.json."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ViTModel(
            ViTConfig(
                hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=256, image_size=32,
                patch_size=8,
            )
        ).save_pretrained(folder)  # fmt: skip


def save_pictures(folder: Path) -> None:
    """Dark and light noise in `SPLIT/LABEL/*.png`."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 24), ("test", 8)):
        for label, low in (("dark", 0), ("light", 160)):
            place = folder / split / label
            place.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(low, low + 96, size=(36, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")


def test_a_vision_transformer_is_searched_and_exported(tmp_path: Path) -> None:
    save_vit(tmp_path / "vit")
    save_pictures(tmp_path / "pictures")
    small_form(
        "digits", tmp_path / "light.yaml", model={"path": "vit"}, data={"path": "pictures"},
        space={"methods": ["low_rank"], "low_rank": {"ranks": [8, 24]}},
        fine_tune={"original_epochs": 4, "original_learning_rate": 1e-3},
    )  # fmt: skip
    with few_processes():
        said = inside(tmp_path, "search", "light.yaml")
    assert "Fine-tuning the original, whose head is untrained" in said
    front = json.loads((tmp_path / "run" / "front.json").read_text())
    assert len(front["candidates"]) == 2
    (member,) = (candidate for candidate in front["candidates"] if candidate["on_front"])
    original = front["original"]["cost"]["here"]
    assert member["cost"]["here"]["size_mb"] < original["size_mb"]
    assert member["cost"]["here"]["flops"] < original["flops"]
    assert front["original"]["score"]["test"] > 0.9
    exported = inside(tmp_path, "export", "run", member["id"], "--to", "small")
    assert "loaded again in a clean process" in exported
    assert {path.name for path in (tmp_path / "small").iterdir()} >= {
        "config.json", "model.safetensors", "preprocessor_config.json"
    }  # fmt: skip
