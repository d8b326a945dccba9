"""What can't be used ends with code 2 and one message: where, which value, what would be valid."""

import json
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
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
from typer.testing import CliRunner, Result

from greenfront import api
from greenfront.cli import app
from greenfront.config import load_config
from greenfront.errors import PlanError
from greenfront.hardware_profiles import fingerprint
from greenfront.hardware_profiles.onnx_runtime import OnnxRuntime
from greenfront.search import RunFolder
from greenfront.spaces import Plan
from tests.end_to_end.tiny_task import LABELS, rows, save_tokenizer, write_csv
from tests.search.toy_run import toy_profile

YAML = """\
model: {path: bert, task: text-classification}
data:
  train: train.csv
  test: test.csv
  max_length: 32
output: OUTPUT
"""
LAYER = "bert.encoder.layer.0"


@dataclass(frozen=True)
class Place:
    """A folder with a configuration that could be used, to be spoilt in one point."""

    folder: Path

    @property
    def yaml(self) -> Path:
        return self.folder / "news.yaml"

    @property
    def output(self) -> Path:
        return self.folder / "run"

    def contents(self) -> dict[str, bytes]:
        """Every file below the folder."""
        return {str(p.relative_to(self.folder)): p.read_bytes() for p in self.folder.rglob("*") if p.is_file()}


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
def place(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
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


@pytest.fixture(autouse=True)
def the_signal_handler_is_put_back() -> Iterator[None]:
    """The program sets one for its process, which here is the tests'."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def refused(*arguments: str, says: list[str]) -> Result:
    """The program refuses: code 2, one message with these words on stderr, no traceback."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 2, f"{result.exit_code}: {result.output}\n{result.exception!r}"
    assert "Traceback" not in result.output
    assert result.stderr.count("error:") == 1
    for words in says:
        assert words in result.stderr
    return result


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
        refused("analyze", str(place.yaml), says=["another process is searching in", "run"])


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
    refused("init", "other.yaml", "--task", "translation", says=["task: must be one of", "'translation'"])
    assert not (place.folder / "other.yaml").exists()


@pytest.mark.parametrize("command", [["show"], ["show", "--json"], ["select"], ["export", "abcd1234", "--to", "small"]])
@pytest.mark.parametrize(("name", "words"), [("nowhere", "does not exist"), ("bert", "is not a run folder")])
def test_a_folder_that_is_no_run(command: list[str], name: str, words: str, place: Place) -> None:
    first, *rest = command
    refused(first, name, *rest, says=[f"{name} {words}", "`greenfront search FILE` makes one"])
    assert not (place.folder / "small").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--latency", "8 MB"], ["latency", "`8 ms`", "'8 MB'"]),
        (["--latency", "fast"], ["latency", "'fast'"]),
        (["--size=-3MB"], ["size", "above zero", "'-3MB'"]),
        (["--accuracy-drop", "120%"], ["--accuracy-drop: must be a share", "'120%'"]),
        (["--knee", "--fastest"], ["only one preference can be asked for, but got --knee, --fastest"]),
    ],
)
def test_a_wish_that_can_not_be_read(options: list[str], says: list[str], finished: Place) -> None:
    refused("select", str(finished.output), *options, says=says)


@pytest.fixture
def finished(place: Place) -> Place:
    """A run with a front, as a search leaves it."""
    from tests.search.front_builder import build_front

    run = RunFolder.create(load_config(place.yaml))
    build_front(verified=3, unverified=1).save(run.front)
    run.original.symlink_to(place.folder / "bert")
    return place


def test_a_front_without_candidates_is_none_yet(finished: Place) -> None:
    from tests.search.front_builder import build_front

    replace(build_front(verified=1), candidates=()).save(finished.output / "front.json")
    result = CliRunner().invoke(app, ["show", "run"])
    assert result.exit_code == 0
    assert "has no front yet" in result.stdout


def test_an_unknown_id(finished: Place) -> None:
    refused("export", "run", "zzzz9999", "--to", "small", says=["'zzzz9999'", "on the front:"])
    assert not (finished.folder / "small").exists()


def test_a_candidate_whose_weights_are_not_kept(finished: Place) -> None:
    id_ = CliRunner().invoke(app, ["select", "run", "--id-only"]).stdout.strip()
    refused("export", "run", id_, "--to", "small", says=[f"no weights of candidate '{id_}' are kept", "kept: original"])
    assert not (finished.folder / "small").exists()


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (
            {"bert.encoder.layer.7.output.dense": {"rank": 4}},
            ["bert.encoder.layer.7.output.dense: the model has no such module; did you mean bert.encoder.layer.0."],
        ),
        (
            {f"{LAYER}": {"skip": "layer"}, f"{LAYER}.output.dense": {"rank": 4}},
            [f"{LAYER}.output.dense: rank=4", f"skip=layer of {LAYER}"],
        ),
        ({f"{LAYER}.output.dense": {"rang": 4}}, [f"{LAYER}.output.dense: settings must be among", "rang"]),
    ],
)
def test_a_checkpoint_with_the_plan_of_another_model(
    plan: dict[str, dict[str, int | str]], says: list[str], finished: Place
) -> None:
    """As when someone exchanges a candidate's config.json: its plan is checked as every other one."""
    folder = RunFolder(finished.output).candidate("original")
    folder.unlink()
    shutil.copytree(finished.folder / "bert", folder)
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "greenfront", "plan": plan}
    (folder / "config.json").write_text(json.dumps(config))
    refused("export", "run", "original", "--to", "small", says=says)
    assert not (finished.folder / "small").exists()
    model = BertForSequenceClassification.from_pretrained(finished.folder / "bert")
    with pytest.raises(PlanError) as error:
        api.compress(model, Plan.from_json(json.dumps(plan)))
    assert all(words in str(error.value) for words in says)


def test_export_into_a_folder_in_use(finished: Place) -> None:
    before = finished.contents()
    refused("export", "run", "original", "--to", ".", says=["--to: must be a new or empty folder"])
    refused(
        "export", "run", "original", "--to", "train.csv", says=["must be a new or empty folder", "train.csv exists"]
    )
    refused("export", "run", "original", "--to", "train.csv/small", says=["--to: train.csv/small can't be written: "])
    assert finished.contents() == before


def test_a_front_that_is_no_front(finished: Place) -> None:
    (finished.output / "front.json").write_text('{"version": 1')
    for command in (["show", "run"], ["select", "run"], ["export", "run", "original", "--to", "small"]):
        refused(*command, says=["front.json: not a front of this version: must be JSON"])


def test_an_unknown_command_and_a_missing_argument_are_refused_by_name(place: Place) -> None:
    for arguments, words in ((["serach"], "serach"), (["search"], "file"), (["export", "run", "x"], "--to")):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 2
        assert words in result.stderr
