"""The configuration: what loads, what is refused in which words; and writing and reading are inverses."""

import itertools
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenfront.config import (
    COST_OF,
    DIMENSION_OF,
    HIGHER_IS_BETTER,
    BudgetsConfig,
    CostName,
    DataConfig,
    EmbeddingsConfig,
    FineTuneConfig,
    HeadsConfig,
    LinformerConfig,
    LowRankConfig,
    ModelConfig,
    Objective,
    RayConfig,
    RunConfig,
    SearchConfig,
    Section,
    SpaceConfig,
    TargetConfig,
    WidthConfig,
    config_differences,
    load_config,
    parse_config,
    to_yaml,
)
from greenfront.errors import ConfigError
from greenfront.units import UNITS, Bound
from greenfront.yaml_source import load_yaml, nearest, read_yaml

MINIMAL: dict[str, Any] = {
    "model": {"path": "owner/name", "task": "text-classification"},
    "data": {"path": "owner/data"},
}


def minimal(**sections: object) -> dict[str, Any]:
    return {**MINIMAL, **sections}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("train.csv", "test.csv", "laptop.json"):
        (tmp_path / name).write_text("text,label\na,b\n")
    (tmp_path / "model").mkdir()
    return tmp_path


def refusal(path: Path, text: str) -> str:
    """The message with which a YAML of this text is refused."""
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert "pydantic" not in message
    assert "Input should" not in message
    return message


# what loads


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


# what is refused: (YAML below `model` and `data`, line within it, key, words of the message)

REFUSALS = [
    ("budgets: {latency: 8 MB}", 1, "budgets.latency", "must be a time such as `8 ms`", "'8 MB'"),
    ("budgets:\n  size: 0%", 2, "budgets.size", "must be above zero", "'0%'"),
    ("budgets: {memory: -5 MB}", 1, "budgets.memory", "must be above zero", "'-5 MB'"),
    ("budgets: {flops: true}", 1, "budgets.flops", "must be a count", "True"),
    ("budgets: {parameters: [1]}", 1, "budgets.parameters", "must be a count", "[1]"),
    ("budgets: {accuracy_drop: 0}", 1, "budgets.accuracy_drop", "must be a share above 0%", "0"),
    ("budgets: {accuracy: 90}", 1, "budgets.accuracy", "must be a share above 0% and up to 100%", "90"),
    ("budgets:\n  latency:\n", 2, "budgets.latency", "has no value", "50%"),
    ("budgets: {throughput: 200}", 1, "budgets.throughput", "must be a rate such as `200/s`", "200"),
    ("budgets: {energy: 5 W}", 1, "budgets.energy", "must be an energy such as `500 mJ`", "'5 W'"),
    ("budgets: {co2: 5 t}", 1, "budgets.co2", "must be a mass such as `80 g`", "'5 t'"),
    ("budgets: {money: 5 EUR}", 1, "budgets.money", "must be a count such as `5M`", "'5 EUR'"),
    ("budgets: 8 ms", 1, "budgets", "must be a mapping with some of the keys latency, latency_p90", "'8 ms'"),
    ("ray: {workers: 0}", 1, "ray.workers", "must be at least 1", "0"),
    ("ray: {address: ''}", 1, "ray.address", "must not be empty", "''"),
    ("search:\n  seed: 1\n  trials: many", 3, "search.trials", "must be a whole number", "'many'"),
    ("search: {trials: 0}", 1, "search.trials", "must be at least 1", "0"),
    ("search: {trials: true}", 1, "search.trials", "must be a whole number", "True"),
    ("search: {trials: 1.5}", 1, "search.trials", "must be a whole number", "1.5"),
    ("search: {trials: }", 1, "search.trials", "must be a whole number", "no value"),
    ("search: {seed: -1}", 1, "search.seed", "must be at least 0", "-1"),
    ("search: {seed: 4294967296}", 1, "search.seed", "must be below 4294967296", "4294967296"),
    ("search: {sampler: 5}", 1, "search.sampler", "must be text (put it in quotes)", "5"),
    ("search: {sampler_options: [1]}", 1, "search.sampler_options", "must be a mapping", "[1]"),
    ("fine_tune: {learning_rate: 0}", 1, "fine_tune.learning_rate", "must be above 0", "0"),
    ("fine_tune: {learning_rate: true}", 1, "fine_tune.learning_rate", "must be a number", "True"),
    ("fine_tune: {learning_rate: .nan}", 1, "fine_tune.learning_rate", "must be a finite number", "nan"),
    ("fine_tune: {warmup: 100%}", 1, "fine_tune.warmup", "must be a share from 0% and below 100%", "'100%'"),
    ("fine_tune: {precision: half}", 1, "fine_tune.precision", "must be 'auto', 'bfloat16' or", "'half'"),
    ("objectives: [accuracy, latancy]", 1, "objectives[1]", "did you mean 'latency'?", "'latancy'"),
    ("objectives: [accuracy, accuracy]", 1, "objectives", "distinct values", "['accuracy', 'accuracy']"),
    ("objectives: []", 1, "objectives", "one or more", "[]"),
    ("objectives: latency", 1, "objectives", "must be a list", "'latency'"),
    ("space: {linformer: {lengths: [16, 0]}}", 1, "space.linformer.lengths[1]", "must be at least 1", "0"),
    ("space:\n  low_rank:\n    ranks: [8, 8]", 3, "space.low_rank.ranks", "distinct", "[8, 8]"),
    ("space: {low_rank: {ranks: []}}", 1, "space.low_rank.ranks", "one or more", "[]"),
    ("space: {embeddings: {trim: 1}}", 1, "space.embeddings.trim", "must be true or false", "1"),
    ("space: {low_rank: {embeddings: false}}", 1, "space", "list `methods` without `embeddings`", "False"),
    ("space: {methods: [low_rank, 3]}", 1, "space.methods[1]", "must be text", "3"),
    ("hardware: {runtime: onnx}", 1, "hardware.runtime", "must be 'torch' or 'onnxruntime'", "'onnx'"),
    ("hardware: {runtime: onnxruntime, compile: true}", 1, "hardware", "`runtime: torch` with", "onnxruntime"),
    ("hardware:\n- {}\n- {name: a, compile: true}", 3, "hardware[1]", "`runtime: torch` with", "no `runtime`"),
    ("hardware: {elsewhere: true}", 1, "hardware", "must have `profile`, a file measured there", "none"),
    (
        "hardware: {elsewhere: true, profile: laptop.json, resource: pi}",
        1,
        "hardware",
        "must not have both `elsewhere: true` and",
        "`resource: pi`",
    ),
    ("hardware: {resource: pi}\nray: {}", 2, "ray", "must have a cluster's `address`, or `auto`", "'local'"),
    ("hardware: {large_batch: 1}", 1, "hardware.large_batch", "must be at least 2", "1"),
    ("hardware: {power: 0}", 1, "hardware.power", "must be above 0", "0"),
    ("hardware: {grid_intensity: -1}", 1, "hardware.grid_intensity", "must be at least 0", "-1"),
    ("hardware: {price: .inf}", 1, "hardware.price", "must be a finite number", "inf"),
    (
        "hardware:\n  - threads: 1\n  - device: tpu",
        3,
        "hardware[1].device",
        "must be 'cpu' or 'cuda'",
        "'tpu'",
    ),
    ("hardware:\n  - {}\n  - {}", 1, "hardware", "`name` of its own", "['this-machine', 'this-machine']"),
    ("hardware: []", 1, "hardware", "must be one or more targets", "an empty list"),
    ("hardware: laptop", 1, "hardware", "must be a mapping with some of the keys name, device", "'laptop'"),
    ("hardware: {name: ../x}", 1, "hardware.name", "letters, digits", "'../x'"),
    ("hardware: {profile: none.json}", 1, "hardware.profile", "must be an existing file", "'none.json'"),
    ("hardware: [{profile: model}]", 1, "hardware[0].profile", "must be a file", "'model'"),
    ("output: 5", 1, "output", "must be a path", "5"),
    ("output: ''", 1, "output", "must be a path", "''"),
    ("trials: 40", 1, "trials", "did you mean `search.trials`?", "40"),
    ("search: {workers: 2}", 1, "search.workers", "did you mean `ray.workers`?", "2"),
    ("hardware:\n- {thread: 2}", 2, "hardware[0].thread", "did you mean `threads`? valid keys: name,", "2"),
    ("1: 2", 1, "1", "as a key must be text", "put it in quotes"),
    ("search: {on: 2}", 1, "search.on", "as a key must be text", "put it in quotes"),
    ("ray: {? [a] : 2}", 1, "ray.[...]", "as a key must be text", "put it in quotes"),
    ("qqqqqq: 2", 1, "qqqqqq", "unknown key (with value 2); valid keys: model, data, hardware", "2"),
    ("search: {seed: 1, seed: 2}", 1, "search.seed", "stands twice, first on line 4", "keep one"),
    ("search: {sampler_options: {a: 1,\n  a: 2}}", 2, "search.sampler_options.a", "stands twice", "keep one"),
    ("ray: {}\nray: {}", 2, "ray", "stands twice, first on line 4", "keep one"),
]


@pytest.mark.parametrize(("text", "line", "key", "rule", "value"), REFUSALS, ids=[case[0] for case in REFUSALS])
def test_refused_with_file_line_key_rule_and_value(
    folder: Path, text: str, line: int, key: str, rule: str, value: str
) -> None:
    head = "model: {path: owner/name, task: text-classification}\ndata: {path: owner/data}\n\n"
    message = refusal(folder / "run.yaml", head + text)
    assert message.startswith(f"{folder / 'run.yaml'}:{line + 3}: {key}: ")
    assert rule in message
    assert value in message.split(": ", 2)[-1]
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ":1: must be a mapping with at least `model` and `data`, but got nothing"),
        ("- a\n- b", ":1: must be a mapping with at least `model` and `data`, but got ['a', 'b']"),
        ("data: {path: a}", ":1: model: is missing; must be a mapping with some of the keys path, task"),
        ("model:\n  path: a\ndata: {path: a}", ":1: model.task: is missing; must be text-classification or"),
        (
            "model: {path: a, task: image-classification}\ndata: {}",
            ":2: data: must have `train`, a file, or `path`, a folder",
        ),
        ("model: [", ":1: column 9: not valid YAML: "),
        ("model: {path: a}\n\ttask: x", ":2: column 1: not valid YAML: "),
        ("a: 1\n---\nb: 2", ":2: column 1: not valid YAML: expected a single document"),
        ("a: *nothing", ":1: column 4: not valid YAML: found undefined alias"),
        ("a: &x [*x]", ":1: column 4: not valid YAML: an anchor contains itself"),
        ("a: !!python/object:os.system x", ":1: column 4: not valid YAML: could not determine a constructor"),
        ("a: 1\nb: \x00", ":2: not valid YAML: character 0x0 is not allowed"),
        ("a: 2024-13-45", ":1: not valid YAML: month must be in 1..12"),
        ("[" * 3000, ":1: not valid YAML: nested too deeply"),
    ],
)
def test_files_that_are_no_configuration(folder: Path, text: str, expected: str) -> None:
    message = refusal(folder / "run.yaml", text)
    assert message.startswith(f"{folder / 'run.yaml'}{expected}")


def test_anchors_that_multiply_themselves_end_early(folder: Path) -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    assert "more than 10,000 keys" in refusal(folder / "run.yaml", text)


def test_files_that_cannot_be_read(folder: Path) -> None:
    (folder / "reviews.yaml").write_text("")
    (folder / "latin.yaml").write_bytes("model: é".encode("latin-1"))
    for name, words in [
        ("review.yaml", "no such file; beside it would be reviews.yaml"),
        ("model", "must be a YAML file, but it is a folder"),
        ("latin.yaml", "must be UTF-8 text, but byte 7 isn't"),
        ("train.csv/x.yaml", "can't be read: Not a directory"),
    ]:
        with pytest.raises(ConfigError, match=re.escape(f"{folder / name}: {words}")):
            load_config(folder / name)


def test_missing_files_and_folders_say_where_they_were_looked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "sub").mkdir()
    monkeypatch.chdir(folder)
    text = "model: {path: ./nowhere, task: text-classification}\ndata:\n  train: train.csv\n  test: ../model\n"
    first, second, third = refusal(folder / "sub" / "run.yaml", text).splitlines()
    assert "run.yaml:1: model.path: must be an existing folder or a hub id such as `name` or" in first
    assert first.endswith(f"but got './nowhere': there is no {folder / 'sub' / 'nowhere'}")
    assert "run.yaml:3: data.train: must be an existing file (paths start at the YAML's folder; write" in second
    assert "'../train.csv'" in second
    assert "run.yaml:4: data.test: must be a file; a folder is named by `data.path`, but '../model'" in third


@pytest.mark.parametrize("path", ["a/b/c", "train.csv", "/nowhere", "~/nowhere-at-all", "a b"])
def test_what_is_neither_a_folder_nor_a_hub_id(folder: Path, path: str) -> None:
    for section in ("model", "data"):
        raw = minimal()
        raw[section] = {**raw[section], "path": path}
        with pytest.raises(ConfigError, match=rf"^{section}\.path: must be an existing folder"):
            parse_config(raw, folder=folder)


def test_several_problems_are_listed_in_the_order_of_the_file(folder: Path) -> None:
    text = "search: {trials: 0}\nmodel: {path: a}\ndata: {path: a}\nbudgets:\n  latency: 8 MB\n  sise: 2\n"
    lines = refusal(folder / "run.yaml", text).splitlines()
    assert [line.split(":")[1:3] for line in lines] == [
        ["1", " search.trials"], ["2", " model.task"], ["5", " budgets.latency"], ["6", " budgets.sise"],
    ]  # fmt: skip


def test_from_code_a_refusal_names_the_key_alone() -> None:
    with pytest.raises(ConfigError, match=r"^search\.trials: must be at least 1, but got 0$"):
        parse_config(minimal(search={"trials": 0}))
    with pytest.raises(ConfigError, match=r"^search\.sampler_options\.1: as a key must be text .* but got 1$"):
        parse_config(minimal(search={"sampler_options": {1: 2}}))
    with pytest.raises(ConfigError, match=r"^1: as a key must be text, but got 1$"):
        parse_config({**MINIMAL, 1: 2})  # type: ignore[dict-item]
    with pytest.raises(ConfigError, match=r"^must be a mapping with at least"):
        parse_config(["model"])  # type: ignore[arg-type]


# unknown keys

LETTERS = "abcdefghijklmnopqrstuvwxyz_"
SECTIONS: dict[tuple[str, ...], type[Section]] = {
    (): RunConfig,
    ("model",): ModelConfig,
    ("data",): DataConfig,
    ("hardware",): TargetConfig,
    ("budgets",): BudgetsConfig,
    ("space",): SpaceConfig,
    ("space", "low_rank"): LowRankConfig,
    ("space", "embeddings"): EmbeddingsConfig,
    ("space", "linformer"): LinformerConfig,
    ("space", "heads"): HeadsConfig,
    ("space", "width"): WidthConfig,
    ("search",): SearchConfig,
    ("fine_tune",): FineTuneConfig,
    ("ray",): RayConfig,
}


def one_edit_away(word: str) -> set[str]:
    """Every word with one letter more, less or another, or two neighbours swapped: by enumeration."""
    cuts = [(word[:n], word[n:]) for n in range(len(word) + 1)]
    return {
        *(a + b[1:] for a, b in cuts if b),
        *(a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1),
        *(a + letter + b[1:] for a, b in cuts if b for letter in LETTERS),
        *(a + letter + b for a, b in cuts for letter in LETTERS),
    } - {word, ""}


def test_every_section_is_among_those_tested() -> None:
    assert set(SECTIONS.values()) == set(Section.__subclasses__())


@given(st.sampled_from(sorted(SECTIONS)), st.data())
def test_an_unknown_key_one_edit_from_a_valid_one_is_answered_with_it(
    place: tuple[str, ...], data: st.DataObject
) -> None:
    valid = set(SECTIONS[place].model_fields)
    meant = data.draw(st.sampled_from(sorted(valid)))
    wrong = data.draw(st.sampled_from(sorted(one_edit_away(meant) - valid)))
    raw = minimal()
    section = raw
    for name in place:
        section[name] = dict(section.get(name, {}))
        section = section[name]
    section[wrong] = 1
    with pytest.raises(ConfigError) as caught:
        parse_config(raw)
    said = re.search(rf"{wrong}: unknown key \(with value 1\); did you mean `(\w+)`\?", str(caught.value))
    assert said is not None
    assert said[1] in valid
    assert wrong in one_edit_away(said[1])


@given(st.text(LETTERS, max_size=8), st.lists(st.text(LETTERS, max_size=8), max_size=6))
def test_nearest_is_one_of_the_valid_words_or_none(word: str, valid: list[str]) -> None:
    found = nearest(word, valid)
    assert found is None or found in valid
    if word in valid:
        assert found is not None
    if any(word in one_edit_away(candidate) for candidate in valid):
        assert found == word or word in one_edit_away(str(found))


# writing and reading

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
positive = st.integers(1, 10_000)
shares = st.floats(1e-9, 1, exclude_max=True)
rates = st.floats(1e-6, 10)
lists = st.lists(positive, min_size=1, max_size=4, unique=True)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | names | st.just("1e-4"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)


def bounds(name: str) -> st.SearchStrategy[object]:
    units = st.sampled_from([*UNITS[DIMENSION_OF[name]], "%"])
    return st.builds(
        lambda number, gap, unit: f"{number}{gap}{unit}", positive | rates, st.sampled_from(["", " "]), units
    )


def some(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


raw_configs = st.fixed_dictionaries(
    {
        "model": st.fixed_dictionaries(
            {
                "path": st.from_regex(r"[a-z0-9][a-z0-9.-]{0,8}(/[a-z0-9.-]{1,8})?", fullmatch=True),
                "task": st.sampled_from(["text-classification", "image-classification"]),
            },
        ),
        "data": st.fixed_dictionaries(
            {"path": st.just("owner/data")},
            optional={"train": names, "text": names, "max_length": st.integers(8, 512), "test_share": shares},
        ),
    },
    optional={
        "hardware": st.lists(
            some(
                threads=positive, device=st.sampled_from(["cpu", "cuda"]), sequence_length=positive,
                runtime=st.sampled_from(["torch", "onnxruntime"]), large_batch=st.integers(2, 64), power=rates,
            ),
            min_size=1, max_size=3,
        ).map(lambda targets: [{**target, "name": f"t{n}"} for n, target in enumerate(targets)]),
        "budgets": some(accuracy_drop=shares, accuracy=shares, **{key: bounds(key) for key in DIMENSION_OF}),
        "objectives": st.permutations(["accuracy", "latency", "size", "memory"]).map(lambda order: order[:2]),
        "space": some(
            methods=st.lists(names, min_size=1, max_size=3, unique=True),
            low_rank=some(ranks=lists),
            embeddings=some(ranks=lists, trim=st.booleans()),
            linformer=some(lengths=lists, sharing=st.sampled_from(["none", "key_value", "layerwise"])),
        ),
        "search": some(trials=positive, sampler=names, sampler_options=st.dictionaries(names, plain)),
        "fine_tune": some(learning_rate=rates, warmup=shares, original_epochs=rates),
        "ray": some(address=names, workers=positive),
        "output": st.sampled_from(["out", "runs/a b", "/tmp/x: #y"]),
    },
)  # fmt: skip


@given(raw_configs)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_the_resolved_configuration_loads_again_as_an_equal_one(raw: dict[str, Any]) -> None:
    config = parse_config(raw)
    text = to_yaml(config)
    again = parse_config(read_yaml(text)[0])
    assert again == config
    assert to_yaml(again) == text
    assert parse_config(yaml.safe_load(text)) == config
    assert config_differences(config, again) == []
    for name, written in raw.get("budgets", {}).items():
        if name in DIMENSION_OF:
            assert yaml.safe_load(text)["budgets"][name] == written.strip()


def test_a_resolved_file_loads_from_another_folder(folder: Path) -> None:
    raw = minimal(data={"train": "train.csv"}, hardware={"profile": "laptop.json"}, budgets={"latency": "8ms"})
    config = parse_config(raw, folder=folder)
    (folder / "runs").mkdir()
    path = folder / "runs" / "config.yaml"
    path.write_text(to_yaml(config.model_copy(update={"output": Path("runs/x")})))
    assert load_config(path) == config.model_copy(update={"output": Path("runs/x")})
    assert "latency: 8ms" in path.read_text()


def test_differences_are_named_by_their_dotted_keys() -> None:
    a = parse_config(minimal(budgets={"latency": "8 ms"}, hardware={"threads": 1}))
    b = parse_config(
        minimal(
            budgets={"latency": "8ms", "size": "50%"},
            hardware=[{"threads": 2}, {"name": "b"}],
            search={"seed": 1},
        )
    )
    found = config_differences(a, b)
    assert ("hardware[0].threads", 1, 2) in found
    assert ("hardware[1].name", None, "b") in found
    assert ("budgets.size", None, Bound(0.5, True, "50%")) in found
    assert ("search.seed", 0, 1) in found
    assert {key.split("[")[0].split(".")[0] for key, _, _ in found} == {"hardware", "budgets", "search"}
    assert len([key for key, _, _ in found if key.startswith(("budgets", "search"))]) == 2


# lines


@given(st.dictionaries(names, st.dictionaries(names, st.lists(positive, max_size=3), max_size=3), max_size=4))
def test_every_key_is_found_on_its_line(tree: Mapping[str, Mapping[str, list[int]]]) -> None:
    expected: dict[tuple[str | int, ...], int] = {}
    written = []
    counter = itertools.count(1)
    for key, inner in tree.items():
        written.append(f"{yaml_key(key)}:{'' if inner else ' {}'}")
        expected[(key,)] = next(counter)
        for name, items in inner.items():
            written.append(f"  {yaml_key(name)}:{'' if items else ' []'}")
            expected[(key, name)] = next(counter)
            for index, item in enumerate(items):
                written.append(f"    - {item}")
                expected[(key, name, index)] = next(counter)
    raw, lines = read_yaml("\n".join(written))
    assert (raw or {}) == tree
    assert lines == expected


def yaml_key(name: str) -> str:
    """A key in double quotes, on one line."""
    text: str = yaml.safe_dump(name, default_style='"', width=1000, allow_unicode=False)
    return text.strip()


def test_a_file_gives_data_and_lines(folder: Path) -> None:
    (folder / "x.yaml").write_text("a: 1e-4\n\nb:\n  - {c: x}\n")
    raw, lines = load_yaml(folder / "x.yaml")
    assert raw == {"a": 1e-4, "b": [{"c": "x"}]}
    assert lines == {("a",): 1, ("b",): 3, ("b", 0): 4, ("b", 0, "c"): 4}
