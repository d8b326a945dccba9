import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
)

from tests.end_to_end.place import Place
from tests.end_to_end.tiny_task import LABELS, rows, save_tokenizer, write_csv

YAML = """\
model: {path: bert, task: text-classification}
data:
  train: train.csv
  test: test.csv
  max_length: 32
output: OUTPUT
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bert`, the causal `gpt2` and `albert`, all with their tokenizer, and `empty`, a folder without a model."""
    folder = tmp_path_factory.mktemp("models")
    vocabulary = save_tokenizer(folder / "bert")
    save_tokenizer(folder / "gpt2")
    save_tokenizer(folder / "albert")
    (folder / "empty").mkdir()
    id2label, label2id = dict(enumerate(LABELS)), {name: i for i, name in enumerate(LABELS)}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForSequenceClassification(
            BertConfig(
                hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
                vocab_size=vocabulary, max_position_embeddings=64, pad_token_id=0, id2label=id2label, label2id=label2id,
            )
        ).save_pretrained(folder / "bert")  # fmt: skip
        GPT2ForSequenceClassification(
            GPT2Config(
                vocab_size=vocabulary, n_embd=16, n_layer=1, n_head=2, n_positions=64, pad_token_id=0,
                bos_token_id=2, eos_token_id=3, id2label=id2label, label2id=label2id,
            )
        ).save_pretrained(folder / "gpt2")  # fmt: skip
        AlbertForSequenceClassification(
            AlbertConfig(
                hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, embedding_size=16,
                vocab_size=vocabulary, max_position_embeddings=64, pad_token_id=0, id2label=id2label, label2id=label2id,
            )
        ).save_pretrained(folder / "albert")  # fmt: skip
    return folder


@pytest.fixture
def place(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, the_signal_handler_is_put_back: None) -> Place:
    """Data, models and a configuration, in the current folder."""
    content = rows(60, seed=0)
    write_csv(tmp_path / "train.csv", content[:40])
    write_csv(tmp_path / "test.csv", content[40:])
    for model in models.iterdir():
        (tmp_path / model.name).symlink_to(model)
    found = Place(tmp_path)
    found.yaml.write_text(YAML.replace("OUTPUT", str(found.output)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "200")
    return found


@pytest.fixture
def the_signal_handler_is_put_back() -> Iterator[None]:
    """The program sets one for its process, which here is the tests'."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
