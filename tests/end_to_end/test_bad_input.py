"""What can't be used ends with code 2 and one message: where, which value, what would be valid."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from greenfront.cli import app
from greenfront.config import load_config
from greenfront.hardware_profiles import fingerprint
from greenfront.hardware_profiles.onnx_runtime import OnnxRuntime
from greenfront.search import RunFolder
from tests.end_to_end.place import Place, refused
from tests.end_to_end.tiny_task import rows, write_csv
from tests.search.toy_run import toy_profile

LAYER = "bert.encoder.layer.0"


def spoil(old: str, new: str) -> Callable[[Place], None]:
    """Replace a part of the YAML."""

    def change(place: Place) -> None:
        text = place.yaml.read_text()
        assert old in text
        place.yaml.write_text(text.replace(old, new))

    return change


def append(text: str) -> Callable[[Place], None]:
    return spoil("output:", f"{text}\noutput:")


def remove_yaml(place: Place) -> None:
    place.yaml.unlink()


def one_class(place: Place) -> None:
    write_csv(place.folder / "train.csv", [(text, "sport") for text, _ in rows(40, seed=0)])


def empty_split(place: Place) -> None:
    write_csv(place.folder / "test.csv", [])


def language_model(space: str) -> Callable[[Place], None]:
    """GPT-2, whose output layer is its table."""

    def change(place: Place) -> None:
        spoil("path: bert, task: text-classification", "path: gpt2, task: causal-language-modelling")(place)
        append(f"space: {{{space}}}")(place)

    return change


def causal_model(place: Place) -> None:
    spoil("path: bert", "path: gpt2")(place)
    append("space: {methods: [linformer]}")(place)


def shared_layers(place: Place) -> None:
    spoil("path: bert", "path: albert")(place)
    append("space: {methods: [low_rank, blocks]}")(place)


def task(name: str) -> Callable[[Place], None]:
    return spoil("task: text-classification", f"task: {name}")


# What is spoilt, and what the message has to name: the place, the value, what would be valid.
FILE_CASES: dict[str, tuple[Callable[[Place], None], list[str]]] = {
    "missing file": (remove_yaml, ["news.yaml: no such file", "`greenfront init"]),
    "no YAML": (spoil("data:", "data: ["), ["news.yaml:", "not valid YAML"]),
    "unknown key": (append("budgets: {latencies: 50%}"), ["news.yaml:6: budgets.latencies: unknown key", "`latency`"]),
    "unknown section": (append("serach: {}"), ["news.yaml:6: serach: unknown key", "did you mean `search`?"]),
    "unit that doesn't fit": (append("budgets: {latency: 8 MB}"), ["news.yaml:6: budgets.latency", "`8 ms`", "'8 MB'"]),
    "negative budget": (append("budgets: {size: -3 MB}"), ["news.yaml:6: budgets.size", "above zero", "'-3 MB'"]),
    "budget of zero": (append("budgets: {latency: 0%}"), ["news.yaml:6: budgets.latency", "above zero", "'0%'"]),
    "no workers": (append("ray: {workers: 0}"), ["news.yaml:6: ray.workers: must be at least 1, but got 0"]),
    "no data file": (spoil("train.csv", "trian.csv"), ["news.yaml:3: data.train", "existing file", "'trian.csv'"]),
}
MODEL_CASES: dict[str, tuple[Callable[[Place], None], list[str]]] = {
    "no such column": (
        append("  label: topic"), ["train.csv: no column 'topic' (data.label); it has 'text', 'label'"]
    ),
    "one class": (one_class, ["train.csv: labels must have at least two classes, but all are 'sport'"]),
    "empty split": (empty_split, ["test.csv", "must have at least one row"]),
    "no model": (spoil("path: bert", "path: empty"), ["model.path", "has no config.json"]),
    "texts too long": (spoil("max_length: 32", "max_length: 65"), ["data.max_length: must be at most 64", "got 65"]),
    "unknown sampler": (append("search: {sampler: tqe}"), ["search.sampler: must be one of tpe", "'tqe'"]),
    "unknown metric": (append("  metric: acuracy"), ["metric", "accuracy", "'acuracy'"]),
    "causal model": (
        causal_model,
        ["space.methods: linformer can't be used on GPT2ForSequenceClassification: it is causal"],
    ),
    "layers that serve as several": (
        shared_layers,
        ["space.methods: blocks can't be used on AlbertForSequenceClassification: it serves as several layers"],
    ),
    "option of a method that isn't searched": (
        append("space: {window: [8]}"),
        ["space.window: must go with the method window, but searched are", "low_rank", "space.methods"],
    ),
    "option of a method that is left out": (
        append("space: {methods: [low_rank], heads: {counts: [1]}}"),
        ["space.heads: must go with the method heads, but searched are low_rank;"],
    ),
    "more heads than there are": (
        append("space: {methods: [heads], heads: {counts: [9]}}"),
        ["space.heads.counts: must be below", "9"],
    ),
    "no column with answers": (
        task("question-answering"), ["train.csv: no column 'question' (data.question); it has 'text', 'label'"]
    ),
    "no column with images": (
        task("image-classification"), ["train.csv: no column 'image' (data.image); it has 'text', 'label'"]
    ),
    "rank above break-even": (
        append("space: {low_rank: {ranks: [5000]}}"),
        ["space.low_rank.ranks: must be below the break-even of at least one layer", "5000"],
    ),
    "table that another layer is tied to": (
        language_model("methods: [embeddings]"),
        ["space.methods: embeddings can't be used on GPT2LMHeadModel: another layer is tied to this table"],
    ),
    "vocabulary of a language model": (
        language_model("embeddings: {trim: true}"),
        ["space.embeddings.trim: must be false for a GPT2LMHeadModel, whose output layer has a row for every token"],
    ),
    "vocabulary of whole words": (
        append("space: {embeddings: {trim: true}}"),
        ["space.embeddings.trim: the tokenizer must be of WordPiece, BPE, Unigram", "but is of WordLevel"],
    ),
    "rank of the table above break-even": (
        append("space: {embeddings: {ranks: [5000]}}"),
        ["space.embeddings.ranks: must be below the break-even of bert.embeddings.word_embeddings", "5000"],
    ),
    "more threads than processors": (
        append("hardware: {threads: 4096}"),
        ["hardware 'this-machine': threads must be at most", "but got 4096"],
    ),
    "sequence longer than the model's": (
        append("hardware: {name: board, sequence_length: 65}"),
        ["hardware 'board': sequence_length must be at most 64", "but got 65"],
    ),
    "length above the texts'": (
        append("space: {linformer: {lengths: [32]}}"),
        ["space.linformer.lengths: must be below the sequence length of 32 tokens", "32"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("command", ["check", "search"])
@pytest.mark.parametrize("case", [*FILE_CASES, *MODEL_CASES])
def test_a_configuration_that_can_not_be_used(case: str, command: str, place: Place) -> None:
    change, says = (FILE_CASES | MODEL_CASES)[case]
    change(place)
    before = place.contents()
    refused(command, str(place.yaml), says=says)
    after = place.contents()
    assert {name: after[name] for name in before} == before
    new = {name for name in after if name not in before}
    if command == "check" or case in FILE_CASES:
        assert new == set()
    else:
        assert all(name.startswith("run/") for name in new)
        assert not any(name.startswith("run/original/") for name in new)  # nothing expensive has begun


@pytest.mark.parametrize("case", ["unknown key", "no data file", "no such column", "no model"])
def test_a_configuration_that_can_not_be_analysed(case: str, place: Place) -> None:
    change, says = (FILE_CASES | MODEL_CASES)[case]
    change(place)
    refused("analyze", str(place.yaml), says=says)


def test_what_can_not_be_analysed(place: Place) -> None:
    before = place.contents()
    refused("analyze", str(place.yaml), "--focus", "fast", says=["--focus: must be one of speed, size", "'fast'"])
    assert place.contents() == before
    run = RunFolder.create(load_config(place.yaml))
    with run.alone():
        refused("analyze", str(place.yaml), says=[f"process {os.getpid()} on ", "is searching in", "run"])


@pytest.mark.parametrize("case", ["no such column", "unknown sampler", "rank above break-even"])
def test_a_corrected_configuration_is_not_refused_for_the_mistake_before(case: str, place: Place) -> None:
    good = place.yaml.read_text()
    change, says = MODEL_CASES[case]
    change(place)
    refused("search", str(place.yaml), says=says)
    place.yaml.write_text(good)
    run = RunFolder.create(load_config(place.yaml))
    assert run.load_config() == load_config(place.yaml)


@pytest.mark.parametrize("command", ["check", "measure", "search"])
def test_a_runtime_that_is_not_installed_is_named_with_what_installs_it(
    command: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OnnxRuntime, "missing", classmethod(lambda cls: ["onnxruntime"]))
    append("hardware: {runtime: onnxruntime}")(place)
    refused(command, str(place.yaml), says=["runtime onnxruntime needs onnxruntime", "pip install 'greenfront[onnx]'"])


@pytest.fixture
def profile(place: Place) -> Path:
    """A profile beside the YAML, which names it, as if from another machine."""
    path = place.folder / "board.json"
    replace(toy_profile(), fingerprint=replace(fingerprint(), processor="Cortex-A76")).save(path)
    append("hardware: {name: board, profile: board.json}")(place)
    return path


@pytest.mark.parametrize("command", ["check", "search"])
def test_a_profile_of_another_machine(command: str, place: Place, profile: Path) -> None:
    says = ["hardware 'board': its profile", "another machine", "processor: Cortex-A76 against", "`elsewhere: true`"]
    refused(command, str(place.yaml), says=says)


@pytest.mark.parametrize("command", ["check", "search"])
def test_a_profile_that_is_no_profile(command: str, place: Place, profile: Path) -> None:
    text = profile.read_text()
    for spoilt, words in (
        (text[: len(text) // 2], "a hardware profile must be JSON, but"),
        (text.replace('"threads": 1', '"threads": "one"'), "target.threads: must be a whole number, but got 'one'"),
        (text.replace('"threads": 1', '"threads": 1, "speed": 9'), "target.speed: unknown key, but got 9"),
        (re.sub(r'"low": [0-9.]+', '"low": 1e9', text, count=1), "original.latency_ms: must be low <= median <= high"),
        ("{}", "not a hardware profile"),
    ):
        assert spoilt != text
        profile.write_text(spoilt)
        before = place.contents()
        refused(command, str(place.yaml), says=[f"{profile}: {words}"])
        assert place.contents() == before


def test_measure_writes_nothing_over(place: Place) -> None:
    (place.folder / "this-machine.json").write_text("weeks of work")
    before = place.contents()
    refused("measure", str(place.yaml), says=["this-machine.json exists; nothing was measured", "--force"])
    refused("measure", str(place.yaml), "--to", "nowhere/x.json", says=["--to: must be a file in an existing folder"])
    assert place.contents() == before


@pytest.mark.parametrize("command", ["check", "search"])
def test_the_folder_of_another_configuration(command: str, place: Place) -> None:
    run = RunFolder.create(load_config(place.yaml))
    run.profile("this-machine").write_text("measured for minutes")
    append("search: {trials: 41}")(place)
    before = place.contents()
    refused(command, str(place.yaml), says=["run belongs to another configuration", "search.trials: 41 here, 40 there"])
    assert place.contents() == before


@pytest.mark.parametrize("command", ["check", "search"])
def test_a_folder_of_other_things(command: str, place: Place) -> None:
    place.output.mkdir()
    (place.output / "thesis.tex").write_text("years of work")
    before = place.contents()
    refused(command, str(place.yaml), says=["run is not empty and holds no run; choose another folder"])
    assert place.contents() == before


def test_init_on_an_existing_file(place: Place) -> None:
    before = place.contents()
    refused("init", str(place.yaml), says=["news.yaml exists; nothing was written over"])
    assert place.contents() == before


def test_init_in_a_folder_that_is_not_there(place: Place) -> None:
    refused("init", "nowhere/news.yaml", says=["nowhere/news.yaml can't be written: No such file or directory"])
    refused("init", "other.yaml", "--task", "translation", says=["model.task: must be ", "'translation'"])
    assert not (place.folder / "other.yaml").exists()


def test_an_unknown_command_and_a_missing_argument_are_refused_by_name(place: Place) -> None:
    for arguments, words in ((["serach"], "serach"), (["search"], "file"), (["export", "run", "x"], "--to")):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 2
        assert words in result.stderr
