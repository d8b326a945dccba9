"""The template loads as it stands, and with every line of it uncommented; and it shows every key."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from greenfront.config import LowRankConfig, RunConfig, Section, Task, config_differences, load_config, parse_config
from greenfront.errors import ConfigError
from greenfront.template import example_settings, render_template
from greenfront.yaml_source import read_yaml


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("train.csv", "test.csv", "odd: name #1.csv"):
        (tmp_path / name).write_text("text,label\na,b\n")
    return tmp_path


def uncommented(text: str) -> str:
    return re.sub(r"^# (?=[ \w])", "", text, flags=re.MULTILINE)


def keys_of(section: Section) -> Iterator[str]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        inner = value[0] if name == "hardware" else value
        yield name
        if isinstance(inner, Section):
            yield from keys_of(inner)


@pytest.mark.parametrize("task", get_args(Task))
def test_the_template_loads_to_the_defaults(folder: Path, task: str) -> None:
    (folder / "run.yaml").write_text(render_template(example_settings(task=task)))
    config = load_config(folder / "run.yaml")
    smallest = parse_config(
        {
            "model": {"path": "sentence-transformers/all-MiniLM-L6-v2", "task": task},
            "data": {"train": str(folder / "train.csv")},
            "output": "runs/run",
        }
    )
    assert config_differences(config, smallest) == []
    assert config == smallest


def test_every_line_uncommented_loads_and_changes_only_what_is_marked_as_example(folder: Path) -> None:
    text = render_template(example_settings(test="test.csv"))
    (folder / "run.yaml").write_text(text)
    (folder / "all.yaml").write_text(uncommented(text))
    short, full = load_config(folder / "run.yaml"), load_config(folder / "all.yaml")
    changed = {key.split(".")[-1] for key, _, _ in config_differences(short, full)} - {"output"}
    examples = {line.split(":")[0].strip("# ") for line in text.splitlines() if "# e.g.; " in line}
    assert changed == examples
    assert full.space.low_rank == LowRankConfig(ranks=(32, 64, 128))


def test_every_key_stands_in_the_template_with_a_comment(folder: Path) -> None:
    text = render_template(example_settings())
    (folder / "run.yaml").write_text(text)
    for key in keys_of(load_config(folder / "run.yaml")):
        assert re.search(rf"^(# )? *(- )?{key}:", text, flags=re.MULTILINE), key
    assert "None" not in text
    assert all(len(line) <= 120 and line == line.rstrip() for line in text.splitlines())


def test_without_model_and_data_commented_out_nothing_else_stands_in_it() -> None:
    raw, _ = read_yaml(render_template(example_settings()))
    assert list(raw) == ["model", "data"]
    required = [name for name, field in RunConfig.model_fields.items() if field.is_required()]
    assert required == ["model", "data"]


def test_names_that_need_quotes_get_them(folder: Path) -> None:
    settings = example_settings(train="odd: name #1.csv", column="no", label="two\nlines", model="1e5/true")
    text = render_template(settings)
    (folder / "run.yaml").write_text(text)
    config = load_config(folder / "run.yaml")
    assert config.data.train == str(folder / "odd: name #1.csv")
    assert (config.data.text, config.data.label) == ("no", "two\nlines")
    assert config.model.path == "1e5/true"


def test_existing_paths_are_written_as_seen_from_the_yaml(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "configs").mkdir()
    text = render_template(example_settings(test="missing.csv"), folder=folder / "configs")
    raw, _ = read_yaml(text)
    assert raw["data"]["train"] == "../train.csv"
    assert raw["data"]["test"] == "missing.csv"
    assert raw["model"]["path"] == "sentence-transformers/all-MiniLM-L6-v2"


@pytest.mark.parametrize(
    ("task", "columns"),
    [
        ("image-classification", {"image": "one", "label": "two"}),
        ("token-classification", {"text": "one", "label": "two"}),
        ("question-answering", {"question": "question", "context": "one", "answers": "two"}),
        ("causal-language-modelling", {"text": "one"}),
    ],
)
def test_the_columns_that_a_task_reads_are_set(task: str, columns: dict[str, str]) -> None:
    raw, _ = read_yaml(render_template(example_settings(task=task, column="one", label="two")))
    assert {key: value for key, value in raw["data"].items() if key != "train"} == columns


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^task: must be one of text-classification, .* but got 'ner'$"):
        example_settings(task="ner")


def test_settings_of_every_section_stand_where_they_belong(folder: Path) -> None:
    settings: dict[str, object] = {
        **example_settings(), "hardware.name": "board", "hardware.threads": 1, "budgets.latency": "8 ms",
        "space.low_rank.ranks": [16, 32], "search.trials": 7, "output": None,
    }  # fmt: skip
    (folder / "run.yaml").write_text(render_template(settings, {"budgets.latency": f"it may be {'long ' * 40}"}))
    config = load_config(folder / "run.yaml")
    assert (config.hardware[0].name, config.hardware[0].batch_size) == ("board", 1)
    assert (config.space.low_rank.ranks, config.search.trials) == ((16, 32), 7)
    assert str(config.budgets.latency) == "8 ms"
    lines = (folder / "run.yaml").read_text().splitlines()
    assert lines[lines.index(f"  latency: 8 ms{' ' * 25}  # median of one query") - 1].startswith("##     long")
    assert all(len(line) <= 120 for line in lines)
