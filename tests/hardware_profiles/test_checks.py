"""What `greenfront doctor` makes of a machine's state and of the libraries that compute."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from greenfront.hardware_profiles import library_checks
from greenfront.hardware_profiles.affinity import available_cpus
from greenfront.hardware_profiles.lock import machine_lock
from greenfront.hardware_profiles.machine_checks import (
    check_disk,
    check_governor,
    check_measuring,
    check_processors,
    judge_load,
    judge_memory,
)
from greenfront.hardware_profiles.onnx_runtime import OnnxRuntime


@pytest.mark.parametrize(
    ("busy", "stolen", "cores", "state"),
    [
        (0.2, 0.0, 2, "fine"),
        (1.05, 0.0, 2, "fine"),
        (1.2, 0.0, 2, "mend"),
        (0.0, 0.2, 2, "note"),
        (0.2, 0.0, 1, "mend"),
    ],
)
def test_a_core_has_to_be_free(busy: float, stolen: float, cores: int, state: str) -> None:
    checked = judge_load(busy, stolen, cores)
    assert checked.state == state
    assert bool(checked.remedy) == (state != "fine")


@pytest.mark.parametrize(
    ("free", "swapped", "shared", "state", "words"),
    [
        (16000, 0, 8000, "fine", "16.0 of 24.0 GB free"),
        (16000, 0, None, "fine", ""),
        (1500, 0, 8000, "mend", "1.5 of 24.0 GB free"),
        (16000, 0, 64, "note", "64 MB of shared memory"),
        (16000, 3000, 8000, "note", "3.0 GB swapped out"),
    ],
)
def test_memory(free: float, swapped: float, shared: float | None, state: str, words: str) -> None:
    checked = judge_memory(free, 24000, swapped, shared)
    assert checked.state == state
    assert words in checked.found


@pytest.mark.parametrize(
    ("text", "state"),
    [("max 100000\n", "fine"), (None, "fine"), ("50000 100000\n", "mend"), ("nonsense", "fine")],
)
def test_a_container_that_grants_less_than_a_core(text: str | None, state: str, tmp_path: Path) -> None:
    file = tmp_path / "cpu.max"
    if text is not None:
        file.write_text(text)
    assert check_processors(file).state == state


def test_a_container_that_grants_less_than_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    monkeypatch.setattr("greenfront.hardware_profiles.machine_checks.available_cpus", lambda: 8)
    checked = check_processors(tmp_path / "cpu.max")
    assert checked.state == "note"
    assert "the container grants the time of 2.5" in checked.found
    assert checked.remedy.startswith("`threads` at most 2")


def test_the_governor(tmp_path: Path) -> None:
    file = tmp_path / "scaling_governor"
    assert check_governor(file).state == "fine"
    for text, state in (("performance\n", "fine"), ("powersave\n", "note")):
        file.write_text(text)
        assert (check_governor(file).state, check_governor(file).found) == (state, text.strip())


def test_a_folder_that_can_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert check_disk().state == "fine"

    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("greenfront.hardware_profiles.machine_checks.tempfile.TemporaryFile", refuse)
    assert check_disk().state == "mend"
    assert f"{tmp_path} can't be written: Permission denied" in check_disk().found


def test_a_measurement_that_is_going_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenfront.hardware_profiles.lock.lock_path", lambda: tmp_path / "lock")
    assert check_measuring().state == "fine"
    with machine_lock():
        assert check_measuring().state == "note"


def test_threads_that_the_environment_limits() -> None:
    assert library_checks.check_threads({}).state == "fine"
    checked = library_checks.check_threads({"OMP_NUM_THREADS": "1"})
    assert checked.state == "note"
    assert "OMP_NUM_THREADS=1" in checked.found
    assert f"{available_cpus()} CPUs" in checked.found


def test_products_are_right_and_their_kernels_named() -> None:
    assert library_checks.check_blas({}).state == "fine"
    assert "GFLOP/s" in library_checks.check_blas({}).found
    forced = library_checks.check_blas({"OPENBLAS_CORETYPE": "Prescott"})
    assert forced.state == "note"
    assert "OPENBLAS_CORETYPE=Prescott" in forced.found


def test_wrong_products_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = torch.from_numpy

    def slightly_off(array: NDArray[np.float32]) -> torch.Tensor:
        return right(array) * 1.001

    monkeypatch.setattr(torch, "from_numpy", slightly_off)
    checked = library_checks.check_blas({})
    assert checked.state == "mend"
    assert "PyTorch is off by" in checked.found
    assert "NumPy" not in checked.found


def test_onnx_runtime_answers_as_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert library_checks.check_onnxruntime().state == "fine"
    monkeypatch.setattr(OnnxRuntime, "missing", classmethod(lambda _: ["onnxruntime"]))
    checked = library_checks.check_onnxruntime()
    assert checked.state == "note"
    assert "pip install 'greenfront[onnx]'" in checked.remedy
