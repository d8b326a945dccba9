"""What comes from a stranger runs no code, writes nowhere outside the output folder, and is refused in one message."""

import importlib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from greenfront.cli import app
from greenfront.config import load_config
from greenfront.errors import GreenfrontError
from greenfront.evaluators import Analysis, Significance
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search import RunFolder
from greenfront.search.finish_record import attempts_on
from greenfront.search.paused import PausedStates
from greenfront.spaces import Library, Plan
from tests.end_to_end.hostile_inputs import (
    AUTO_CLASSES,
    DEEP,
    HOSTILE,
    canary,
    code,
    config_of,
    front,
    model,
    pickled,
    run,
)
from tests.end_to_end.place import Place, refused

ESCAPE = "\x1b[2J\x1b]0;owned\x07"
"""Clears a terminal, and sets its title."""


def test_there_are_sixty() -> None:
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("case", HOSTILE)
def test_is_refused_and_does_nothing(case: str, place: Place) -> None:
    hostile = HOSTILE[case]
    hostile.spoil(place)
    before = _contents(place)
    result = refused(*hostile.command, says=list(hostile.says))
    assert not canary(place).exists()
    assert not set(result.output) & set("\x1b\x07\0\u202e")
    after = _contents(place)
    new = {name for name, content in after.items() if before.get(name) != content}
    inside = {name for name in new if name.startswith("run/") and hostile.command[0] in ("search", "analyze")}
    assert new == inside
    assert before.keys() <= after.keys()


def _contents(place: Place) -> dict[str, int]:
    """Every file below the folder, with when it was written: some are too large to be compared, some never end."""
    found = [path for path in place.folder.rglob("*") if not path.is_dir()]
    return {str(path.relative_to(place.folder)): path.lstat().st_mtime_ns for path in found}


def test_code_of_a_known_architecture_is_left_alone(place: Place) -> None:
    model(config_of({"auto_map": AUTO_CLASSES}))(place)
    result = CliRunner().invoke(app, ["check", "news.yaml"])
    assert result.exit_code == 0, result.output
    assert not canary(place).exists()


def test_code_and_pickles_are_not_exported(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    export = importlib.import_module("greenfront.search.export")  # `search.export` is the function
    form = export.Form(1.0)
    done = export.Exported(place.folder / "small", "accuracy", 0, form, form, None, ())
    monkeypatch.setattr(export, "_compared", lambda *_: done)  # starts a process that loads everything

    def add(found: RunFolder, place: Place) -> None:
        (found.original / "modeling.py").write_text(code(place))
        pickled(found.original / "training_args.bin", place)

    run(add)(place)
    (place.output / "front.json").unlink()
    result = CliRunner().invoke(app, ["export", "run", "original", "--to", "small"])
    assert result.exit_code == 0, result.output
    assert not canary(place).exists()
    names = {path.name for path in (place.folder / "small").iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json"}
    assert not names & {"modeling.py", "training_args.bin"}


def test_a_metric_is_run_where_the_configuration_trusts_it_and_that_is_said(place: Place) -> None:
    (place.folder / "evil.py").write_text(code(place))
    text = place.yaml.read_text().replace("  max_length", "  metric: evil.py\n  trust_remote_code: true\n  max_length")
    place.yaml.write_text(text)
    result = CliRunner().invoke(app, ["check", "news.yaml"])
    assert canary(place).exists()
    assert "'evil.py' can't be loaded" in result.stderr.replace(f"{place.folder}/", "")  # it is no metric


@pytest.mark.parametrize("command", ["show run", "show run --costs", "show run --json", "select run"])
def test_names_in_a_front_do_nothing_to_the_terminal(command: str, place: Place) -> None:
    def rename(raw: dict[str, Any]) -> None:
        raw["metric"] = f"accuracy{ESCAPE}"
        for candidate in raw["candidates"]:
            candidate["origin"] = f"{ESCAPE}<script>alert(1)</script>"
            candidate["score"]["metric"] = raw["metric"]

    front(rename)(place)
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 0, result.output
    assert not set(result.output) & set("\x1b\x07")


def test_a_log_of_a_running_search_does_nothing_to_the_terminal(place: Place) -> None:
    RunFolder.create(load_config(place.yaml)).log.write_bytes(b"begun\n" + ESCAPE.encode() + b"\xff said last\n")
    result = CliRunner().invoke(app, ["show", "run"])
    assert result.exit_code == 0, result.output
    assert "said last" in result.output
    assert not set(result.output) & set("\x1b\x07")


@pytest.mark.parametrize("text", [DEEP, "9" * 9000, '{"version": 1, "version": 1}', '{"version": 1e999}', "[]", "null"])
def test_documents_of_a_run_are_refused(text: str, place: Place, tmp_path: Path) -> None:
    found = RunFolder.create(load_config(place.yaml))
    record = found.finishing("abcd1234") / "record.json"
    record.parent.mkdir(parents=True)
    record.write_text(text)
    profile = tmp_path / "profile.json"
    profile.write_text(text)
    for read in (
        lambda: Significance.from_json(text), lambda: Analysis.from_json(text), lambda: Plan.from_json(text),
        lambda: HardwareProfile.load(profile), lambda: attempts_on(found, "abcd1234") or Plan.from_json("null"),
    ):  # fmt: skip
        with pytest.raises(GreenfrontError):
            read()


def test_tensors_of_a_run_are_never_unpickled(place: Place) -> None:
    found = RunFolder.create(load_config(place.yaml))
    for folder in (found.library, found.paused):
        folder.mkdir()
    pickled(found.library / "library.safetensors", place)
    pickled(found.paused / "abcd1234.safetensors", place)
    with pytest.raises(GreenfrontError, match="not a readable library"):
        Library.load(found.library)
    assert PausedStates(found.paused).part("abcd1234", 10).start == 0
    assert not canary(place).exists()


def test_a_journal_that_is_a_pickle_is_not_unpickled(place: Place) -> None:
    found = RunFolder.create(load_config(place.yaml))
    pickled(found.study, place)
    CliRunner().invoke(app, ["show", "run"])
    assert not canary(place).exists()
