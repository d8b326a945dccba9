"""Records: what was saved loads equal; what was cut off or edited by hand is refused, with file and place."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from greenfront.errors import ConfigError
from greenfront.hardware_profiles.cost import Interval
from greenfront.hardware_profiles.record_file import VERSION, load_record, save_record


@dataclass(frozen=True)
class Samples:
    interval_ms: Interval
    n: int
    samples_ms: tuple[float, ...]


@dataclass(frozen=True)
class Record:
    name: str
    parameters: int
    parts: tuple[Samples, ...]
    named: dict[str, Samples]
    maybe: float | None = None


SAMPLES = Samples(Interval(2.0, 1.5, 2.5), 3, (1.0, 2.0, 30.0))
RECORD = Record("a", 5, (SAMPLES, SAMPLES), {"x": SAMPLES})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_record(RECORD, tmp_path / "a.json")
    return tmp_path / "a.json"


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_record(path, Record, "a record")
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def edited(path: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """What is said after a change by hand."""
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))
    return refusal(path)


def test_what_was_saved_loads_equal_and_is_readable(path: Path) -> None:
    assert load_record(path, Record, "a record") == RECORD
    assert '"samples_ms": [1.0, 2.0, 30.0]' in path.read_text()
    assert list(path.parent.iterdir()) == [path]


def test_every_truncation_is_refused(path: Path) -> None:
    text = path.read_text().rstrip()
    for end in range(0, len(text), 7):
        path.write_text(text[:end])
        assert "a record must be JSON, but" in refusal(path)


def leaves(raw: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ()
    if not items:
        yield path
    for key, value in items:
        yield from leaves(value, (*path, key))


def at(raw: Any, place: tuple[str | int, ...]) -> Any:
    for key in place:
        raw = raw[key]
    return raw


LEAVES = list(leaves(json.loads(json.dumps(RECORD, default=vars))))


@pytest.mark.parametrize("place", LEAVES, ids=str)
@pytest.mark.parametrize("value", ["7", True, None, [], {}], ids=repr)
def test_a_value_of_another_kind_is_refused_at_its_place(
    path: Path, place: tuple[str | int, ...], value: object
) -> None:
    if (place, value) in ((("name",), "7"), (("maybe",), None)):
        return

    def change(raw: dict[str, Any]) -> None:
        at(raw, place[:-1])[place[-1]] = value

    dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
    said = edited(path, change)
    assert said.startswith(f"{dotted}: must be "), said
    assert said.endswith(f"but got {value!r}"), said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: raw.update(nmae="b"), "nmae: unknown key, but got 'b'"),
        (lambda raw: raw["named"]["x"].update(m=1), "named.x.m: unknown key, but got 1"),
        (lambda raw: raw["parts"][1].pop("n"), "parts[1].n: is missing"),
        (lambda raw: raw.update(parameters=5.0), "parameters: must be a whole number, but got 5.0"),
        (lambda raw: raw.update(parameters=-5), "parameters: must not be negative, but got -5"),
        (lambda raw: raw.update(maybe=float("nan")), "maybe: must be a finite number, but got nan"),
        (lambda raw: raw["parts"][1].update(n=4), "parts[1].n: must be 3, the number of samples, but got 4"),
        (
            lambda raw: raw["parts"][0]["interval_ms"].update(low=1.9, median=1.8),
            "parts[0].interval_ms: must be low <=",
        ),
        (
            lambda raw: raw["named"]["x"]["interval_ms"].update(low=1.0, median=1.1, high=1.2),
            "named.x.interval_ms: must hold 2, the median of its samples, but is [1.0, 1.2]",
        ),
        (lambda raw: raw["parts"][0]["samples_ms"].__setitem__(0, -1.0), "parts[0].samples_ms[0]: must be above zero"),
        (lambda raw: raw.pop("version"), "not a record: it has no `version`"),
        (lambda raw: raw.update(version=1), f"a record must have version {VERSION}, but got 1; measure again"),
    ],
)
def test_edits_by_hand_are_refused_at_their_place(
    path: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    assert edited(path, change).startswith(said)


def test_a_key_that_stands_twice_is_refused(path: Path) -> None:
    path.write_text(re.sub(r'"parameters": 5', '"parameters": 5, "parameters": 6', path.read_text()))
    assert refusal(path) == "a record must be JSON, but the key 'parameters' stands twice in an object"


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert "can't read a record: No such file" in refusal(tmp_path / "none.json")
    assert "can't read a record: Is a directory" in refusal(tmp_path)
    (tmp_path / "x").write_bytes(b"\xff\xfe{}")
    assert "must be JSON, but 'utf-8' codec can't decode" in refusal(tmp_path / "x")
    (tmp_path / "x").write_text("[" * 100_000)
    assert "must be JSON, but" in refusal(tmp_path / "x")
    (tmp_path / "x").write_text("[1]")
    assert refusal(tmp_path / "x") == "not a record: it has no `version`"
