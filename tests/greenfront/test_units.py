"""Quantities: what reads as what, what is refused, and that writing and reading are inverses."""

import math
import pickle
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.errors import ConfigError
from greenfront.units import UNITS, Bound, Dimension, format_count, format_share, parse_bound, parse_share

DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)


@pytest.mark.parametrize(
    ("text", "dimension", "value", "relative"),
    [
        ("8 ms", "time", 8.0, False),
        ("8ms", "time", 8.0, False),
        (" 8  ms ", "time", 8.0, False),
        ("1.5 s", "time", 1500.0, False),
        ("250 us", "time", 0.25, False),
        ("60%", "time", 0.6, True),
        ("60 %", "bytes", 0.6, True),
        ("120 MB", "bytes", 120.0, False),
        ("1 GB", "bytes", 1000.0, False),
        ("1 MiB", "bytes", 1.048576, False),
        ("1024 KiB", "bytes", 1.048576, False),
        ("5M", "count", 5e6, False),
        ("1.2B", "count", 1.2e9, False),
        (5_000_000, "count", 5e6, False),
        ("1e6", "count", 1e6, False),
        (".5k", "count", 500.0, False),
        ("200/s", "rate", 200.0, False),
        ("200 /s", "rate", 200.0, False),
        ("600/min", "rate", 10.0, False),
        ("150%", "rate", 1.5, True),
        ("500 mJ", "energy", 0.5, False),
        ("1 Wh", "energy", 3600.0, False),
        ("80 g", "mass", 80.0, False),
        ("0.2kg", "mass", 200.0, False),
    ],
)
def test_bounds_read(text: str | int, dimension: Dimension, value: float, relative: bool) -> None:
    bound = parse_bound(text, dimension, "budget")
    assert bound.value == pytest.approx(value, rel=1e-12)
    assert bound.relative is relative
    assert str(bound) == str(text).strip()


@pytest.mark.parametrize(
    ("text", "dimension"),
    [
        ("8 MB", "time"), ("8 ms", "bytes"), ("8 MB", "count"), ("8", "time"), (8, "time"), (8.0, "bytes"),
        ("8 MS", "time"), ("8 Mb", "bytes"), ("0 ms", "time"), ("-1 ms", "time"), ("-5%", "time"),
        ("0%", "bytes"), ("200", "rate"), ("200 s", "rate"), ("200//s", "rate"), ("5 MJ", "energy"), ("5 W", "energy"),
        ("5 G", "mass"), ("5 /g", "mass"),
        (0, "count"), (-3, "count"), ("", "time"), ("ms", "time"), ("8 ms 2", "time"), ("1,5 ms", "time"),
        ("nan ms", "time"), ("inf ms", "time"), ("1e999 ms", "time"), ("1e-999 ms", "time"),
        (math.nan, "count"),
        (math.inf, "count"), (True, "count"), ("٣ ms", "time"), ("8 ms\n9 ms", "time"),
    ],
)  # fmt: skip
def test_bounds_refused_with_name_value_and_an_example(text: str | float, dimension: Dimension) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_bound(text, dimension, "budgets.latency")
    message = str(caught.value)
    assert message.startswith("budgets.latency: must be ")
    assert message.endswith(f"but got {text!r}")
    assert "of the original" in message


@given(
    st.sampled_from(DIMENSIONS),
    st.floats(min_value=1e-6, max_value=1e12),
    st.sampled_from(["", " ", "  "]),
    st.data(),
)
def test_a_bound_reads_as_number_times_unit_and_its_text_as_the_same_bound(
    dimension: Dimension, number: float, gap: str, data: st.DataObject
) -> None:
    unit = data.draw(st.sampled_from([*UNITS[dimension], "%"]))
    bound = parse_bound(f"{number!r}{gap}{unit}", dimension, "b")
    worth = 0.01 if unit == "%" else UNITS[dimension][unit]
    assert bound.value == pytest.approx(number * worth, rel=1e-12)
    assert bound.relative == (unit == "%")
    again = parse_bound(bound.text, dimension, "b")
    assert again == bound
    assert again.text == bound.text
    assert pickle.loads(pickle.dumps(bound)) == bound


def test_bounds_of_equal_value_are_equal_however_written() -> None:
    assert parse_bound("1 s", "time", "b") == parse_bound("1000ms", "time", "b")
    assert parse_bound("50%", "time", "b") != parse_bound("0.5 ms", "time", "b")


def test_a_bound_limits_in_the_costs_unit() -> None:
    assert Bound(0.5, True, "50%").limit(20.0) == 10.0
    assert Bound(8.0, False, "8 ms").limit(20.0) == 8.0


@pytest.mark.parametrize(("text", "share"), [("1%", 0.01), ("0.5%", 0.005), (0.01, 0.01), ("0.01", 0.01)])
def test_shares_read(text: str | float, share: float) -> None:
    assert parse_share(text, "share") == share


@pytest.mark.parametrize("text", [0, 1, "0%", "100%", "101%", -0.1, "1 MB", "x", True, math.nan, 3, ""])
def test_shares_refused(text: str | float) -> None:
    with pytest.raises(ConfigError, match=r"^accuracy_drop: must be a share above 0% and below 100%"):
        parse_share(text, "accuracy_drop")


def test_the_ends_of_a_share_count_only_where_asked() -> None:
    assert parse_share("100%", "s", whole=True) == 1.0
    assert parse_share(0, "s", zero=True) == 0.0
    with pytest.raises(ConfigError, match=r"from 0% and below 100%"):
        parse_share(1, "s", zero=True)
    with pytest.raises(ConfigError, match=r"above 0% and up to 100%"):
        parse_share(0, "s", whole=True)


@given(st.floats(min_value=0, max_value=1, exclude_min=True, exclude_max=True))
def test_shares_survive_writing_and_reading(share: float) -> None:
    assert parse_share(format_share(share), "share") == share


@given(st.integers(min_value=1, max_value=9999))
def test_shares_of_few_digits_are_written_as_percentages(hundredths: int) -> None:
    share = parse_share(f"{hundredths / 100}%", "share")
    written = format_share(share)
    assert isinstance(written, str)
    assert parse_share(written, "share") == share


@given(st.integers(1, 10**300))
def test_a_count_is_written_as_a_float_of_it_would_be(number: int) -> None:
    assert float(format_count(number)) == pytest.approx(number, rel=0.051)


@pytest.mark.parametrize(("lead", "zeros", "text"), [(0, 0, "0.0e+00"), (3, 0, "3.0e+00"), (25, 5000, "2.5e+5001")])
def test_a_count_may_be_beyond_all_floats(lead: int, zeros: int, text: str) -> None:
    assert format_count(lead * 10**zeros) == text
