"""`greenfront init` without flags, on a terminal: what it asks, and what becomes of the answers."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from greenfront import init_command
from greenfront.cli import app
from greenfront.config import load_config
from tests.end_to_end.tiny_task import rows, save_encoder, write_csv


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    save_encoder(tmp_path / "encoder", width=16)
    content = [(text, label, label[0]) for text, label in rows(60, seed=1)]
    write_csv(tmp_path / "train.csv", content, header=("text", "kind", "letter"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(init_command, "on_a_terminal", lambda: True)
    handler = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, handler)


def answer(*answers: str) -> Result:
    return CliRunner().invoke(app, ["init", "run.yaml"], input="".join(f"{line}\n" for line in answers))


def test_enter_takes_the_guesses(folder: Path) -> None:
    result = answer("encoder", "train.csv", "", "", "", "", "")
    assert result.exit_code == 0, result.output
    assert "data.label: 3 classes: sport, trade, weather; unsure: `letter` holds classes, too (kind)" in result.output
    config = load_config(folder / "run.yaml")
    assert (config.data.text, config.data.label, config.data.max_length) == ("text", "kind", 16)
    assert config.budgets.latency is None
    assert "unsure" not in (folder / "run.yaml").read_text()


def test_answers_are_taken_and_wrong_ones_asked_again(folder: Path) -> None:
    result = answer(
        "nowhere/at/all", "train.csv", "encoder", "train.csv", "letter", "fast", "50%", "", "1%",
        "search.trails=5", "search.trials=5", "hardware.threads", "hardware.threads=1", "",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "no such folder: 'nowhere/at/all'" in result.output
    assert "budgets.latency: must be a time such as `8 ms`" in result.output
    assert "search.trails: unknown key (with value 5); did you mean `trials`?" in result.output
    assert "must be KEY=VALUE, but got 'hardware.threads'" in result.output
    config = load_config(folder / "run.yaml")
    assert (config.data.label, config.search.trials) == ("letter", 5)
    assert str(config.budgets.latency) == "50%"
    assert config.budgets.accuracy_drop == 0.01
    assert config.budgets.size is None


def test_nobody_answers(folder: Path) -> None:
    result = answer("encoder")
    assert result.exit_code == 2
    assert "nobody answers; give --model and --data instead" in result.stderr
    assert not (folder / "run.yaml").exists()
