"""The configuration: what loads, and to which values."""

import pickle
from pathlib import Path
from typing import get_args

import pytest
import yaml

from greenfront.config import (
    COST_OF,
    DIMENSION_OF,
    HIGHER_IS_BETTER,
    BudgetsConfig,
    CostName,
    LowRankConfig,
    Objective,
    RunConfig,
    Section,
    load_config,
    parse_config,
)
from greenfront.units import Bound
from tests.greenfront.raw_config import MINIMAL, minimal


def test_only_model_and_data_are_required() -> None:
    config = parse_config(MINIMAL)
    assert config.hardware[0].name == "this-machine"
    assert config.objectives == ("accuracy", "latency")
    assert config.budgets == BudgetsConfig()
    assert (config.search.trials, config.fine_tune.steps, config.output) == (40, 100, None)
    assert (config.data.validation_share, config.data.test_share) == (0.1, 0.1)


def test_every_section_without_required_keys_is_valid_as_it_is() -> None:
    for info in RunConfig.model_fields.values():
        if not info.is_required() and isinstance(info.default, Section):
            assert type(info.default).model_validate(info.default.model_dump()) == info.default


def test_a_whole_file_loads(folder: Path) -> None:
    (folder / "reviews.yaml").write_text(
        """
model: {path: model, task: text-classification}
data: {train: train.csv, test: ./test.csv, validation_share: 20%, max_length: 64}
hardware:
  - {name: laptop, threads: 2, sequence_length: 32, profile: laptop.json}
  - {name: other, batch_size: 8, large_batch: 64, runtime: torch, compile: true, power: 15, price: 1, resource: pi}
  - {name: pi, profile: laptop.json, elsewhere: true, runtime: onnxruntime, grid_intensity: 30}
budgets: {latency: 8 ms, size: 50%, parameters: 5M, throughput: 600/min, energy: 1 Wh, accuracy_drop: 1%, accuracy: 0.9}
objectives: [accuracy, size, throughput, co2]
space: {methods: [low_rank], low_rank: {ranks: [16, 32]}, linformer: {sharing: none}}
search: {sampler_options: {n_startup_trials: 5, gamma: 1e-2, seed: null}}
fine_tune: {learning_rate: 1e-4, warmup: 0}
ray: {address: auto}
"""
    )
    config = load_config(folder / "reviews.yaml")
    assert config.model.path == str(folder / "model")
    assert (config.data.train, config.data.test) == (str(folder / "train.csv"), str(folder / "test.csv"))
    assert config.data.validation_share == 0.2
    assert config.hardware[0].profile == folder / "laptop.json"
    assert [config.target_length(target) for target in config.hardware] == [32, 64, 64]
    assert (config.hardware[0].runtime, config.hardware[0].large_batch, config.hardware[0].price) == (None, None, 0.25)
    assert config.budgets.throughput == Bound(10.0, False, "600/min")
    assert config.budgets.energy == Bound(3600.0, False, "1 Wh")
    assert config.budgets.latency == Bound(8.0, False, "8 ms")
    assert config.budgets.size == Bound(0.5, True, "50%")
    assert config.budgets.parameters == Bound(5e6, False, "5M")
    assert (config.budgets.accuracy_drop, config.budgets.accuracy) == (0.01, 0.9)
    assert config.space.low_rank.ranks == (16, 32)
    assert config.search.sampler_options == {"n_startup_trials": 5, "gamma": 0.01, "seed": None}
    assert config.fine_tune.learning_rate == 1e-4
    assert config.fine_tune.warmup == 0.0
    assert config.output == Path("runs/reviews")


def test_hardware_may_be_one_mapping(folder: Path) -> None:
    assert parse_config(minimal(hardware={"threads": 2})).hardware[0].threads == 2
    (folder / "one.yaml").write_text(yaml.safe_dump(minimal(hardware={"profile": "laptop.json"})))
    assert load_config(folder / "one.yaml").hardware[0].profile == folder / "laptop.json"


def test_sections_that_hold_nothing_are_the_defaults() -> None:
    empty: dict[str, None] = dict.fromkeys(["hardware", "budgets", "objectives", "space", "search", "ray", "output"])
    assert parse_config(minimal(**empty)) == parse_config(MINIMAL)
    assert parse_config(minimal(space={"low_rank": None})) == parse_config(MINIMAL)


@pytest.mark.parametrize(
    ("methods", "found"),
    [(None, None), (["low_rank", "bits"], ("embeddings", "low_rank", "bits")), (["bits"], ("bits",))],
)
def test_a_table_that_was_factored_with_low_rank_is_a_method_of_its_own(
    methods: list[str] | None, found: tuple[str, ...] | None
) -> None:
    space = {"low_rank": {"align": 4, "embeddings": True}, **({"methods": methods} if methods else {})}
    config = parse_config(minimal(space=space)).space
    assert config.methods == found
    assert config.low_rank == LowRankConfig(align=4)


def test_paths_start_at_the_yaml_and_output_at_the_current_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "run.yaml").write_text(
        "model: {path: ../model, task: text-classification}\ndata: {train: ../train.csv}\noutput: out/here\n"
    )
    monkeypatch.chdir("/")
    config = load_config(folder / "sub" / "run.yaml")
    assert config.model.path == str(folder / "model")
    assert config.data.train == str(folder / "train.csv")
    assert config.output == Path("out/here")


def test_links_keep_their_own_name(folder: Path) -> None:
    (folder / "blob").write_text("text,label\n")
    (folder / "link.csv").symlink_to(folder / "blob")
    config = parse_config(minimal(data={"train": "link.csv"}), folder=folder)
    assert config.data.train == str(folder / "link.csv")


def test_with_path_the_data_keys_name_splits(folder: Path) -> None:
    data = {"path": "imdb", "train": "train.csv", "test": "unsupervised"}
    assert parse_config(minimal(data=data), folder=folder).data.train == "train.csv"


def test_yaml_with_anchors_and_merges_loads(folder: Path) -> None:
    path = folder / "anchors.yaml"
    path.write_text(
        "model: {path: owner/name, task: text-classification}\ndata: {path: owner/data}\nhardware:\n"
        "  - &a {name: one, threads: 2}\n  - {<<: *a, name: two}\n"
    )
    assert [(t.name, t.threads) for t in load_config(path).hardware] == [("one", 2), ("two", 2)]


def test_workers_fill_the_cores_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(6)), raising=False)
    assert parse_config(MINIMAL).workers() == 6
    assert parse_config(minimal(ray={"threads_per_worker": 4})).workers() == 1
    assert parse_config(minimal(ray={"threads_per_worker": 9})).workers() == 1
    assert parse_config(minimal(ray={"workers": 11})).workers() == 11


def test_a_configuration_is_frozen_and_travels() -> None:
    config = parse_config(minimal(budgets={"latency": "8ms"}))
    with pytest.raises(ValueError, match="frozen"):
        config.model.path = "x"
    assert pickle.loads(pickle.dumps(config)) == config


def test_budgets_have_a_cost_and_a_dimension() -> None:
    quality = {"accuracy", "accuracy_drop"}
    assert set(COST_OF) == set(DIMENSION_OF) == set(BudgetsConfig.model_fields) - quality
    assert set(COST_OF.values()) == set(get_args(CostName))
    assert {*COST_OF, "accuracy"} == set(get_args(Objective))
    assert set(COST_OF) >= HIGHER_IS_BETTER
