from dataclasses import replace

import pytest

from greenfront.config import TargetConfig
from greenfront.errors import ConfigError
from greenfront.hardware_profiles import Target, resolve_target
from greenfront.hardware_profiles.onnx_runtime import OnnxRuntime

ONE = Target("a", "cpu", "torch", 1, 1, 64)


def test_a_target_takes_the_datas_length_unless_it_says_its_own() -> None:
    assert resolve_target(TargetConfig(), 96).sequence_length == 96
    assert resolve_target(TargetConfig(sequence_length=40), 96).sequence_length == 40


def test_a_target_keeps_what_is_configured() -> None:
    config = TargetConfig(
        name="laptop", runtime="torch", compile=True, threads=2, batch_size=8, large_batch=5, power=12.5,
        grid_intensity=50, price=0.1,
    )  # fmt: skip
    expected = Target(
        "laptop", "cpu", "torch", 2, 8, 64, compile=True, large_batch=5, power=12.5, grid_intensity=50, price=0.1
    )
    assert resolve_target(config, 64) == expected


def test_the_runtime_is_the_one_that_people_deploy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_target(TargetConfig(), 64).runtime == "onnxruntime"
    assert resolve_target(TargetConfig(device="cuda"), 64).runtime == "torch"
    monkeypatch.setattr(OnnxRuntime, "requires", ("no_such_module",))
    assert resolve_target(TargetConfig(), 64).runtime == "torch"


@pytest.mark.parametrize(("tokens", "expected"), [(16, 128), (64, 32), (300, 6), (1024, 2), (4096, 2)])
def test_a_large_query_holds_2048_tokens_and_two_texts_at_least(tokens: int, expected: int) -> None:
    assert resolve_target(TargetConfig(), tokens).large_batch == expected


def test_a_large_query_holds_8_images() -> None:
    assert resolve_target(TargetConfig(), 128, images=True).large_batch == 8


@pytest.mark.parametrize("field", ["threads", "batch_size", "sequence_length", "large_batch"])
def test_a_count_below_one_is_refused_by_name(field: str) -> None:
    with pytest.raises(ConfigError, match=f"hardware 'a': {field} must be 1 or more, but got 0"):
        replace(ONE, **{field: 0})  # type: ignore[arg-type]


def test_differences_name_how_the_two_measure() -> None:
    other = Target("b", "cuda", "onnxruntime", 2, 4, 128, compile=True, large_batch=3)
    assert ONE.differences(other) == [
        "device: cpu against cuda", "runtime: torch against onnxruntime", "compile: False against True",
        "threads: 1 against 2", "batch_size: 1 against 4", "sequence_length: 64 against 128",
        "large_batch: 8 against 3",
    ]  # fmt: skip


def test_names_watts_and_prices_make_no_difference() -> None:
    assert ONE.differences(replace(ONE, name="b", power=5.0, grid_intensity=1.0, price=2.0)) == []
