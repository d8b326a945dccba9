"""What is refused, and in which words: file, line, key, rule and value."""

import re
from pathlib import Path

import pytest

from greenfront.config import (
    load_config,
    parse_config,
)
from greenfront.errors import ConfigError
from tests.greenfront.raw_config import MINIMAL, minimal


def refusal(path: Path, text: str) -> str:
    """The message with which a YAML of this text is refused."""
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert "pydantic" not in message
    assert "Input should" not in message
    return message


# (YAML below `model` and `data`, line within it, key, words of the message)

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
    ("ray: {dashboard: 0}", 1, "ray.dashboard", "must be a port, or HOST:PORT", "0"),
    ("ray: {dashboard: '127.0.0.1:70000'}", 1, "ray.dashboard", "must be a port, or HOST:PORT", "'127.0.0.1:70000'"),
    ("ray: {dashboard: 8265, address: auto}", 1, "ray", "must be without `dashboard`", "a cluster has"),
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
