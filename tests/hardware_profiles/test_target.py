import pytest

from greenfront.config import TargetConfig
from greenfront.errors import ConfigError
from greenfront.hardware_profiles import Target, resolve_target


def test_a_target_takes_the_datas_length_unless_it_says_its_own() -> None:
    assert resolve_target(TargetConfig(), 96).sequence_length == 96
    assert resolve_target(TargetConfig(sequence_length=40), 96).sequence_length == 40


def test_a_target_keeps_what_is_configured() -> None:
    config = TargetConfig(name="laptop", threads=2, batch_size=8)
    assert resolve_target(config, 64) == Target("laptop", "cpu", "torch", 2, 8, 64)


@pytest.mark.parametrize("field", ["threads", "batch_size", "sequence_length"])
def test_a_count_below_one_is_refused_by_name(field: str) -> None:
    counts = {"threads": 1, "batch_size": 1, "sequence_length": 8, field: 0}
    with pytest.raises(ConfigError, match=f"hardware 'x': {field} must be 1 or more, but got 0"):
        Target("x", "cpu", "torch", **counts)


def test_differences_name_fields_but_not_names() -> None:
    one = Target("a", "cpu", "torch", 1, 1, 64)
    assert one.differences(Target("b", "cpu", "torch", 1, 1, 64)) == []
    assert one.differences(Target("a", "cpu", "torch", 2, 1, 128)) == [
        "threads: 1 against 2",
        "sequence_length: 64 against 128",
    ]
