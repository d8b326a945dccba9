"""Writing and reading a configuration are inverses, and every key is found on its line."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenfront.config import (
    DIMENSION_OF,
    config_differences,
    load_config,
    parse_config,
    to_yaml,
)
from greenfront.units import UNITS, Bound
from greenfront.yaml_source import load_yaml, read_yaml
from tests.greenfront.raw_config import minimal

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
positive = st.integers(1, 10_000)
shares = st.floats(1e-9, 1, exclude_max=True)
rates = st.floats(1e-6, 10)
lists = st.lists(positive, min_size=1, max_size=4, unique=True)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18) + 1, 10**18 - 1)
    | st.floats(allow_nan=False)
    | names
    | st.just("1e-4"),
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
        "ray": some(
            address=names.filter(lambda address: address != "local"), workers=positive,
            resources_per_worker=some(
                cpu=rates, gpu=st.sampled_from([0, 0.5, 2]), memory=st.sampled_from(["4 GB", "500 MiB"]),
                custom=st.dictionaries(names, st.sampled_from([0.5, 1, 3])),
            ),
        ).filter(lambda ray: "address" in ray or not ray.get("resources_per_worker", {}).get("custom")),
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
