"""A run folder, or a wish about one, that can't be used ends with code 2 and one message."""

import json
import shutil
from dataclasses import replace

import pytest
from transformers import (
    BertForSequenceClassification,
)
from typer.testing import CliRunner

from greenfront import api
from greenfront.cli import app
from greenfront.config import load_config
from greenfront.errors import PlanError
from greenfront.search import RunFolder
from greenfront.spaces import Plan
from tests.end_to_end.place import Place, refused

LAYER = "bert.encoder.layer.0"


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
    shutil.copytree(place.folder / "bert", run.original)
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
