"""`greenfront init` looks at a model and data of every kind, guesses rightly, says where it is unsure, and what it
writes can be searched: its data load."""

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from greenfront.config import load_config
from greenfront.evaluators import load_data
from greenfront.yaml_source import load_yaml
from tests.end_to_end.test_images import save_pictures, save_vit
from tests.end_to_end.test_more_tasks import asked, save_decoder, save_rows, tagged, told
from tests.end_to_end.tiny_task import FILLER, LABELS, inside, rows, save_encoder, write_csv

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_encoder(folder / "encoder", width=16)
    save_decoder(folder / "decoder")
    save_vit(folder / "vit")
    return folder


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    for model in models.iterdir():
        (tmp_path / model.name).symlink_to(model)
    return tmp_path


def written(folder: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    """What stands in the file that `greenfront init run.yaml` writes, and what it says; the file's data load."""
    said = inside(folder, "init", "run.yaml", *arguments)
    config = load_config(folder / "run.yaml")
    load_data(config.model, config.data, seed=0)
    raw: dict[str, Any] = load_yaml(folder / "run.yaml")[0]
    return {key: value for key, value in raw.items() if value is not None}, said


def unsure(said: str) -> list[str]:
    """The keys that are marked."""
    return [line.split()[1] for line in said.splitlines() if line.startswith("?")]


def news(folder: Path) -> Mapping[str, object]:
    content = rows(150, seed=0)
    write_csv(folder / "train.csv", content[:120])
    write_csv(folder / "test.csv", content[120:])
    return {"train": "train.csv", "test": "test.csv", "text": "text", "label": "label", "max_length": 16}


def mails(folder: Path) -> Mapping[str, object]:
    """Longer than the model's 64 positions, many of them."""
    rng = np.random.default_rng(0)
    content = [(" ".join(rng.choice(FILLER, rng.integers(20, 90))), LABELS[i % 2]) for i in range(60)]
    write_csv(folder / "mails-train.tsv", [], header=())
    for split, part in (("train", content[:50]), ("dev", content[50:])):
        with (folder / f"mails-{split}.tsv").open("w", newline="") as file:
            csv.writer(file, delimiter="\t").writerows([("body", "category"), *part])
    return {
        "train": "mails-train.tsv", "validation": "mails-dev.tsv", "text": "body", "label": "category",
        "max_length": 64,
    }  # fmt: skip


def pictures(folder: Path) -> Mapping[str, object]:
    save_pictures(folder / "pictures")
    return {"path": "pictures", "image": "image", "label": "label"}


def words(folder: Path) -> Mapping[str, object]:
    save_rows(folder, tagged)
    return {
        "train": "train.jsonl", "test": "test.jsonl", "text": "words", "label": "tags", "max_length": 16,
        "metric": "entity_f1",
    }  # fmt: skip


def questions(folder: Path) -> Mapping[str, object]:
    save_rows(folder, asked)
    return {
        "train": "train.jsonl", "test": "test.jsonl", "question": "question", "context": "context",
        "answers": "answers", "max_length": 32,
    }  # fmt: skip


def stories(folder: Path) -> Mapping[str, object]:
    save_rows(folder, told)
    return {"train": "train.jsonl", "test": "test.jsonl", "text": "text", "max_length": 32}


KINDS = {
    "text-classification": (news, "encoder", "train.csv", []),
    "long text-classification": (mails, "encoder", "mails-train.tsv", []),
    "image-classification": (pictures, "vit", "pictures", []),
    "token-classification": (words, "encoder", ".", []),
    "question-answering": (questions, "encoder", "train.jsonl", []),
    "causal-language-modelling": (stories, "decoder", "train.jsonl", ["model.task", "data.max_length"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_of_every_kind_of_data_is_guessed(kind: str, folder: Path) -> None:
    make, model, data, doubts = KINDS[kind]
    expected = make(folder)
    raw, said = written(folder, "--model", model, "--data", data)
    assert raw["model"] == {"path": model, "task": kind.removeprefix("long ")}
    assert raw["data"] == expected
    assert set(raw["hardware"][0]) == {"name", "device", "runtime", "threads"}
    assert list(raw) == ["model", "data", "hardware"]
    assert unsure(said) == doubts
    for key in doubts:
        assert key in said.split("run.yaml written. ")[1]
    assert "greenfront search run.yaml" in said


REAL: dict[str, tuple[str, Mapping[str, object], Sequence[str]]] = {
    "reuters": ("text-classification", {"text": "text", "label": "label", "max_length": 384}, ["data.max_length"]),
    "reviews": ("text-classification", {"text": "text", "label": "label", "max_length": 48}, []),
    "spam": ("text-classification", {"text": "text", "label": "label", "max_length": 512}, []),
    "digits": ("image-classification", {"image": "image", "label": "label"}, []),
    "brown": ("token-classification", {"text": "words", "label": "tags", "max_length": 64}, []),
}


@pytest.mark.parametrize("name", REAL)
def test_every_setting_of_the_examples_is_guessed(name: str, folder: Path) -> None:
    """95 of 100 texts fit whole. Four in a hundred of Reuters are five times as long as most: that is said."""
    model = folder / "vit" if name == "digits" else EXAMPLES / "models" / "all-MiniLM-L6-v2"
    if not ((EXAMPLES / name).is_dir() and model.is_dir()):
        pytest.skip(f"`python examples/fetch.py minilm {name}` fetches it")
    task, expected, doubts = REAL[name]
    said = inside(folder, "init", "run.yaml", "--model", str(model), "--data", str(EXAMPLES / name))
    config = load_config(folder / "run.yaml")
    assert config.model.task == task
    assert {key: getattr(config.data, key) for key in expected} == expected
    if name == "digits":
        assert config.data.path == str(EXAMPLES / name)
    else:
        for split in ("train", "test"):
            assert Path(getattr(config.data, split)).samefile(next((EXAMPLES / name).glob(f"{split}.*")))
    assert unsure(said) == doubts


def test_what_else_a_setting_could_be_is_said_and_stands_in_the_file(folder: Path) -> None:
    content = [(str(i), text, f"{text} it is", label, label[0]) for i, (text, label) in enumerate(rows(60, seed=1))]
    write_csv(folder / "table.csv", content, header=("number", "first", "second", "kind", "letter"))
    raw, said = written(folder, "--model", "encoder", "--data", "table.csv")
    assert raw["data"]["train"] == "table.csv"
    assert (raw["data"]["text"], raw["data"]["label"]) == ("second", "kind")
    assert unsure(said) == ["data.text", "data.label"]
    assert "validation and test: split off train, a tenth each" in said
    lines = (folder / "run.yaml").read_text().splitlines()
    assert lines[lines.index("##   unsure: `first` holds text, too") + 1].startswith("  text: second ")
    assert lines[lines.index("##   unsure: `letter` holds classes, too") + 1].startswith("  label: kind ")


def test_what_is_given_is_not_guessed(folder: Path) -> None:
    content = [(text, f"{text} it is", label, label[0]) for text, label in rows(60, seed=1)]
    write_csv(folder / "table.csv", content, header=("first", "second", "kind", "letter"))
    given = ("--text", "first", "--label", "letter", "--max-length", "24", "--latency", "8 ms", "--accuracy-drop", "2%")
    raw, said = written(folder, "--model", "encoder", "--train", "table.csv", "--test", "table.csv", *given)
    assert raw["data"] == {
        "train": "table.csv", "test": "table.csv", "text": "first", "label": "letter", "max_length": 24
    }  # fmt: skip
    assert raw["budgets"] == {"latency": "8 ms", "accuracy_drop": "2%"}
    assert unsure(said) == []


def test_test_data_without_labels_are_left_out(folder: Path) -> None:
    news(folder)
    write_csv(folder / "test.csv", [(text,) for text, _ in rows(20, seed=2)], header=("text",))
    raw, said = written(folder, "--model", "encoder", "--data", "train.csv")
    assert "test" not in raw["data"]
    assert unsure(said) == ["data.test"]
    assert "test.csv has no column 'label'" in said


def test_classes_of_which_one_has_nearly_all_rows(folder: Path) -> None:
    content = [(text, "usual" if i % 10 else "rare") for i, (text, _) in enumerate(rows(100, seed=3))]
    write_csv(folder / "train.csv", content)
    _, said = written(folder, "--model", "encoder", "--data", "train.csv")
    assert unsure(said) == ["data.metric"]
    assert "90% of the rows are 'usual': f1 tells more of the others" in said


def test_a_hub_id_that_can_not_be_reached_is_said_and_written(folder: Path) -> None:
    news(folder)
    said = inside(folder, "init", "run.yaml", "--model", "nobody/nothing", "--data", "train.csv")
    assert "the model could not be looked at" in said
    assert unsure(said) == ["data.max_length"]
    assert load_config(folder / "run.yaml").model.path == "nobody/nothing"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "trian.csv"], "no such file: 'trian.csv'; did you mean 'train.csv'?"),
        (
            ["--data", "train.csv", "--label", "lable"],
            "no column 'lable'; it has 'text', 'label'; did you mean 'label'?",
        ),
        (["--data", "train.csv", "--text", "txt"], "no column 'txt'; it has 'text', 'label'; did you mean 'text'?"),
        (["--data", "train.csv", "--task", "token-classification"], "no columns that token-classification could read"),
        (["--data", "train.csv", "--task", "translation"], "model.task: must be "),
        (["--data", "train.csv", "--max-length", "4"], "data.max_length: must be at least 8, but got 4"),
        (["--data", "train.csv", "--latency", "fast"], "budgets.latency: must be a time such as `8 ms`"),
        (["--data", "several"], "which file is the training data? Name one of a.csv, b.csv"),
    ],
)
def test_what_can_not_be_used_writes_nothing(arguments: list[str], says: str, folder: Path) -> None:
    news(folder)
    (folder / "several").mkdir()
    for name in ("a.csv", "b.csv"):
        shutil.copy(folder / "train.csv", folder / "several" / name)
    assert says in inside(folder, "init", "run.yaml", "--model", "encoder", *arguments, code=2)
    assert not (folder / "run.yaml").exists()


def test_a_folder_that_holds_no_model(folder: Path) -> None:
    news(folder)
    (folder / "empty").mkdir()
    said = inside(folder, "init", "run.yaml", "--model", "empty", "--data", "train.csv", code=2)
    assert "'empty' has no config.json" in said


def test_a_head_for_another_task_than_the_data_are_for(folder: Path, models: Path) -> None:
    shutil.copytree(models / "encoder", folder / "tagger")
    config = json.loads((folder / "tagger" / "config.json").read_text())
    config["architectures"] = ["BertForTokenClassification"]
    (folder / "tagger" / "config.json").write_text(json.dumps(config))
    news(folder)
    raw, said = written(folder, "--model", "tagger", "--data", "train.csv")
    assert raw["model"]["task"] == "text-classification"
    assert unsure(said) == ["model.task"]
    assert "the model has a head for token-classification" in said
