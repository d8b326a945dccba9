"""Plans and numbers as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.search import wording
from greenfront.search.plan_text import plan_lines
from greenfront.spaces.plan import Plan
from tests.search.front_builder import build_plan


def test_sites_are_rows_and_layers_are_columns() -> None:
    plan = Plan(
        {
            "bert.embeddings.word_embeddings": {"rank": 96},
            "bert.encoder.layer.0.attention.self": {"linformer": 64},
            "bert.encoder.layer.2.attention.self.query": {"rank": 8, "bits": 8},
            "bert.encoder.layer.2.attention.output.dense": {"rank": 128},
            "bert.encoder.layer.0.output.dense": {"rank": 16},
        }
    )
    assert plan_lines(plan) == [
        "bert.embeddings.word_embeddings: 96",
        "bert.encoder.layer     0    1    2",
        "attention.output       .    .  128",
        "self                 k64    .    .",
        "query                  .    . b8+8",
        "output                16    .    .",
    ]


def test_the_empty_plan() -> None:
    assert plan_lines(Plan()) == ["nothing is changed"]


def test_sites_that_differ_only_in_a_dropped_ending_keep_it() -> None:
    lines = plan_lines(Plan({"h.0.mlp": {"rank": 8}, "h.0.mlp.dense": {"rank": 16}}))
    assert [line.split()[0] for line in lines] == ["h", "mlp", "dense"]


@given(st.integers(0, 10_000), st.sampled_from([1, 6, 12, 24, 48, 96]), st.sampled_from([60, 76, 120]))
def test_a_plan_fits_and_every_rank_is_there(seed: int, layers: int, width: int) -> None:
    plan = build_plan(seed, layers)
    lines = plan_lines(plan, width=width)
    assert len(lines) <= 20
    assert max(map(len, lines)) <= width
    whole = plan_lines(plan, width=width, limit=10**6)
    numbers = [word for line in whole[1:] for word in line.split()[1:] if not line.startswith("encoder")]
    assert sorted(word for word in numbers if word != ".") == sorted(
        f"k{value}" if key == "linformer" else str(value)
        for path, settings in plan.items() if path.startswith("encoder")
        for key, value in settings.items()
    )  # fmt: skip
    if len(whole) > 20:
        assert lines[-1] == f"... and {len(whole) - 19} lines more"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (5.234, "5.23"), (45.06, "45.1"), (410.4, "410"), (12345.6, "12346"), (0.00123, "0.00123"),
        (9.999, "10.0"), (-2.5, "-2.50"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert wording.number(value) == text


@given(st.floats(1e-5, 1e12))
def test_numbers_are_read_back_within_their_precision(value: float) -> None:
    text = wording.number(value)
    assert "e" not in text
    assert float(text) == pytest.approx(value, rel=0.006)


def test_ratios_and_comparisons() -> None:
    assert wording.ratio("latency_ms", 20, 10) == "2.00x"
    assert wording.ratio("latency_ms", 20, 1) == "20.0x"
    assert wording.ratio("latency_ms", 20, 0) == "-"
    assert wording.ratio("throughput_per_s", 50, 100) == "2.00x"
    assert wording.compared("throughput_per_s", 50, 100) == "2.00x more throughput"
    assert wording.compared("throughput_per_s", 50, 25) == "2.00x less throughput"
    assert wording.compared("latency_ms", 20, 10) == "2.00x faster"
    assert wording.compared("size_mb", 10, 20) == "2.00x larger"
    assert wording.compared("flops", 10, 10) == "equal"
    assert wording.cost("parameters", 11_170_000) == "11.2 M"
