"""`greenfront analyze`: a table, a record and a page, without a search; a search of the same file finds the record."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification
from typer.testing import CliRunner

from greenfront.cli import app
from greenfront.config import load_config
from greenfront.evaluators import Analysis
from greenfront.search import RunFolder, resolve_targets
from tests.end_to_end.tiny_task import LABELS, rows, save_tokenizer, write_csv

YAML = """\
model: {path: bert, task: text-classification}
data: {train: train.csv, test: test.csv, max_length: 16, calibration_examples: 20}
output: run
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A configuration, its data, and a small BERT with a head of the data's labels."""
    vocabulary = save_tokenizer(tmp_path / "bert")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForSequenceClassification(
            BertConfig(
                hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, initializer_range=0.3,
                vocab_size=vocabulary, max_position_embeddings=64, pad_token_id=0, id2label=dict(enumerate(LABELS)),
                label2id={name: i for i, name in enumerate(LABELS)},
            )
        ).save_pretrained(tmp_path / "bert")  # fmt: skip
    content = rows(60, seed=0)
    write_csv(tmp_path / "train.csv", content[:40])
    write_csv(tmp_path / "test.csv", content[40:])
    (tmp_path / "news.yaml").write_text(YAML)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "200")
    handler = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, handler)


def test_analyze_prints_decisions_and_writes_a_record_and_a_page(folder: Path) -> None:
    result = CliRunner().invoke(app, ["analyze", "news.yaml", "--focus", "size"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "Results: run/analysis.html, analysis.json" in result.stdout
    assert "feed-forward (nats)" in result.stdout
    found = Analysis.from_json((folder / "run" / "analysis.json").read_text())
    assert (found.focus, found.layers, found.examples) == ("size", 2, 20)
    page = (folder / "run" / "analysis.html").read_text()
    assert "for size: each element was taken away" in page
    assert (folder / "run" / "original" / "config.json").exists()
    run = RunFolder.create(resolve_targets(load_config(folder / "news.yaml")))
    assert run.analysis.exists()  # a search of the same file goes on from here

    again = CliRunner().invoke(app, ["analyze", "news.yaml", "--focus", "size"], catch_exceptions=False)
    assert again.exit_code == 0
    assert Analysis.from_json(run.analysis.read_text()) == found

    (folder / "news.yaml").write_text(YAML.replace("max_length: 16", "max_length: 12"))
    assert not RunFolder.create(resolve_targets(load_config(folder / "news.yaml"))).analysis.exists()
