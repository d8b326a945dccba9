"""Tiny models, tokenizers and tables, made here."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    ViTConfig,
    ViTForImageClassification,
)

from greenfront.config import DataConfig, FineTuneConfig, ModelConfig

WORDS = ("good", "bad", "film", "plot", "the", "a", "was", "very", "not", "and")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def bert_config(**settings: Any) -> BertConfig:
    """A BERT of two layers; `settings` replace the tiny defaults."""
    tiny: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "vocab_size": len(SPECIAL) + len(WORDS),
        "max_position_embeddings": 64,
        "pad_token_id": 0,
    }
    return BertConfig(**{**tiny, **settings})


def tokenizer() -> PreTrainedTokenizerFast:
    """One token per known word, BERT's frame around them."""
    vocabulary = {word: position for position, word in enumerate((*SPECIAL, *WORDS))}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )  # fmt: skip


def write_csv(path: Path, rows: Sequence[Sequence[Any]], header: Sequence[str] = ("text", "label")) -> str:
    """A CSV file; its path as text."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def reviews(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Distinct little texts whose label is the word they hold: easy to learn, of many lengths."""
    rng = np.random.default_rng(seed)
    rows: set[tuple[str, str]] = set()
    while len(rows) < count:
        label = ("bad", "good")[int(rng.integers(2))]
        filler = [str(word) for word in rng.choice(WORDS[2:], size=int(rng.integers(3, 20)))]
        filler.insert(int(rng.integers(len(filler))), label)
        rows.add((" ".join(filler), label))
    return sorted(rows)


@pytest.fixture
def save_bert(tmp_path: Path) -> Callable[..., ModelConfig]:
    """Saves a tiny BERT with these label names (and its tokenizer); gives its ModelConfig."""

    def save(names: Sequence[str] = ("bad", "good"), *, folder: str = "bert", **settings: Any) -> ModelConfig:
        torch.manual_seed(0)
        config = bert_config(
            id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)}, **settings
        )
        BertForSequenceClassification(config).save_pretrained(tmp_path / folder)
        tokenizer().save_pretrained(tmp_path / folder)
        return ModelConfig(path=str(tmp_path / folder), task="text-classification")

    return save


@pytest.fixture
def save_vit(tmp_path: Path) -> Callable[..., ModelConfig]:
    """Saves a tiny ViT of 16 x 16 images without a preprocessor_config.json; gives its ModelConfig."""

    def save(names: Sequence[str] = ("dark", "light"), *, channels: int = 3) -> ModelConfig:
        torch.manual_seed(0)
        config = ViTConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
            image_size=16, patch_size=8, num_channels=channels,
            id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)},
        )  # fmt: skip
        ViTForImageClassification(config).save_pretrained(tmp_path / "vit")
        return ModelConfig(path=str(tmp_path / "vit"), task="image-classification")

    return save


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """12 train and 6 test pictures in `images/SPLIT/LABEL/*.png`, as `imagefolder` reads them."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 3)):
        for label, low in (("dark", 0), ("light", 160)):
            folder = tmp_path / "images" / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(low, low + 96, size=(20, 24, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "images"


@pytest.fixture
def data_config(tmp_path: Path) -> DataConfig:
    """120 train and 40 test reviews, at most 16 tokens."""
    rows = reviews(160)
    order = np.random.default_rng(1).permutation(len(rows))
    shuffled = [rows[position] for position in order]
    train = write_csv(tmp_path / "train.csv", shuffled[:120])
    return DataConfig(train=train, test=write_csv(tmp_path / "test.csv", shuffled[120:]), max_length=16)


@pytest.fixture
def quick() -> Callable[..., FineTuneConfig]:
    """A FineTuneConfig of small float32 batches; arguments replace these."""

    def make(**settings: Any) -> FineTuneConfig:
        return FineTuneConfig(**{"batch_size": 8, "precision": "float32", "steps": 30, **settings})

    return make
