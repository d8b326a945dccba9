"""A file of a run folder that can't be read is named, with what deleting it costs; and deleting it is enough."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from greenfront.errors import DataError, RunError
from greenfront.search import Front, RunFolder
from greenfront.search.droppable import droppable
from greenfront.search.keeping import Kept
from greenfront.search.summary import unreachable_budgets
from greenfront.search.verify import measuring_warnings
from greenfront.spaces import Library
from tests.search.front_builder import build_front
from tests.search.toy_run import toy_config

READERS: dict[str, tuple[Callable[[RunFolder], object], str]] = {
    "front.json": (lambda run: Front.load(run.front), "measuring the finalists once more"),
    "summary.json": (unreachable_budgets, "what the search took is forgotten"),
    "measured/toy.json": (
        lambda run: measuring_warnings(run, toy_config(run.path)), "its raw samples and warnings are forgotten"
    ),
    "candidates/ab.outputs.safetensors": (
        lambda run: Kept.load(run.outputs("ab")), "its candidate can't be measured or exported any more"
    ),
    "library/library.safetensors": (lambda run: Library.load(run.library), "computed again"),
}  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"{", b"[3]", b"\xff\xfe", b"{}"], ids=repr)
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_named_with_what_it_costs_to_drop_it(name: str, content: bytes, tmp_path: Path) -> None:
    run = RunFolder.create(toy_config(tmp_path / "run"))
    path = run.path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    read, cost = READERS[name]
    if (name, content) == ("measured/toy.json", b"{}"):
        return  # nothing was measured, which can be
    with pytest.raises(RunError) as caught:
        read(run)
    assert str(path) in str(caught.value)
    assert "delete it" in str(caught.value)
    assert cost in str(caught.value)


def test_what_can_be_read_is_read(tmp_path: Path) -> None:
    build_front(verified=3).save(tmp_path / "front.json")
    assert Front.load(tmp_path / "front.json").members
    kept = Kept(np.ones((3, 2)), 0.5, True)
    kept.save(tmp_path / "outputs.safetensors")
    assert Kept.load(tmp_path / "outputs.safetensors").divergence == 0.5


def test_the_path_is_said_once(tmp_path: Path) -> None:
    path = tmp_path / "original"
    with pytest.raises(RunError) as caught, droppable(path, "it is copied again"):
        raise DataError(f"{path}: not a saved model")
    assert str(caught.value) == f"{path}: not a saved model; restore it, or delete it: it is copied again"
