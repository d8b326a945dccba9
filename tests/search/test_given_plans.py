"""Plans that the user names: of files, exported folders and fronts; fitted to the space, or refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenfront.config import RunConfig
from greenfront.errors import ConfigError
from greenfront.search.allocation import Seed
from greenfront.search.given_plans import given_plans, given_seeds
from greenfront.spaces import Plan, Space, compress, save_checkpoint
from tests.search.test_profiles import Notes
from tests.search.toy_run import toy_config, toy_model, toy_space

FIRST = "bert.encoder.layer.0.attention.self.query"
SECOND = "bert.encoder.layer.1.output.dense"


def naming(*paths: Path) -> RunConfig:
    """A configuration that names these files."""
    return toy_config("run", search={"first_plans": [str(path) for path in paths]})


def written(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_a_plan_is_read_from_a_file_a_front_an_export_and_a_run(tmp_path: Path) -> None:
    plans = [Plan({FIRST: {"rank": rank}}) for rank in (2, 4, 6)]
    file = written(tmp_path / "plan.json", plans[0].to_dict())
    run = tmp_path / "run"
    run.mkdir()
    members = [{"plan": plan.to_dict(), "on_front": plan != plans[1]} for plan in plans]
    front = written(run / "front.json", {"candidates": members})
    exported = tmp_path / "exported"
    save_checkpoint(compress(toy_model(), plans[1]), exported)
    assert [seed.plan for seed in given_plans(naming(file, exported), toy_model())] == plans[:2]
    for path in (front, run):
        assert [seed.plan for seed in given_plans(naming(file, path), toy_model())] == [plans[0], plans[2]]  # each once
    assert given_plans(naming(exported), toy_model())[0].origin == "given by exported"
    assert given_plans(toy_config("run"), toy_model()) == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"gpt.h.0.attn": {"rank": 2}, FIRST: {"rank": 2}}, r"no module gpt\.h\.0\.attn$"),
        ({}, "holds no plan: it is empty, which is the original"),
        ([1], "holds no plan: it must be a mapping of modules to settings"),
        ({FIRST: 3}, "holds no plan: it must be a mapping of modules to settings"),
        ({FIRST: {"rank": True}}, "holds no plan: .*a setting must be a name with a number or text"),
        ({"model_type": "bert"}, "holds no plan: the model is not compressed by Greenfront"),
        ({"candidates": [{"plan": {FIRST: {"rank": 2}}, "on_front": False}]}, "no candidate of it is on its front"),
        ({"candidates": [{"on_front": True}]}, "holds no plan: it must be a mapping"),
    ],
)
def test_what_holds_no_plan_of_this_model_is_refused_by_name(tmp_path: Path, document: Any, message: str) -> None:
    file = written(tmp_path / "plan.json", document)
    with pytest.raises(ConfigError, match=rf"^search\.first_plans: {file}: .*{message}"):
        given_plans(naming(file), toy_model())


def test_files_that_are_missing_or_no_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"must be a plan's JSON, a front\.json, a run or an exported model"):
        given_plans(naming(tmp_path / "nowhere.json"), toy_model())
    broken = tmp_path / "broken.json"
    broken.write_text('{"bert": ')
    with pytest.raises(ConfigError, match="holds no plan"):
        given_plans(naming(broken), toy_model())


def test_settings_that_are_not_offered_become_the_nearest_that_are_and_it_is_said() -> None:
    notes = Notes()
    plan = Plan({FIRST: {"rank": 5}, SECOND: {"rank": 2}, "bert.encoder.layer.0.attention.self": {"window": 64}})
    (seed,) = given_seeds([Seed(plan, "given by x")], toy_space(), notes)
    assert seed.plan == Plan({FIRST: {"rank": 6}, SECOND: {"rank": 2}})  # 5 is nearer to 6 than to 4 as a ratio
    (said,) = notes.said
    assert f"{plan.id} (given by x) is tried as {seed.plan.id}" in said
    assert said.endswith(f"the settings of {', '.join(path for path in plan if path != SECOND)}")


@settings(max_examples=30)
@given(st.randoms(use_true_random=False))
def test_a_plan_of_the_space_stays_as_it_is(rng: Any) -> None:
    space, notes = toy_space(), Notes()
    plan = space.random(rng)
    assert [seed.plan for seed in given_seeds([Seed(plan, "")], space, notes)] == [plan] * bool(plan)
    assert notes.said == []


def test_where_nothing_is_offered_nothing_is_tried() -> None:
    notes = Notes()
    assert given_seeds([Seed(Plan({FIRST: {"rank": 2}}), "")], Space(()), notes) == []
    assert "is tried as original" in notes.said[0]
