"""A front in Python and in a notebook: selecting, tables, pictures, models."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from transformers import BertConfig, BertForSequenceClassification

from greenfront.errors import ConfigError, RunError
from greenfront.search import Front, RunFolder
from greenfront.search.wishes import read_wishes
from greenfront.units import parse_bound
from tests.search.front_builder import NO_BUDGETS, build_front

TINY = BertConfig(vocab_size=16, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
FRONT = build_front(verified=8, unverified=2, budgets=NO_BUDGETS)


def test_numbers_and_words_select_the_same() -> None:
    limit = FRONT.members[1].costs()["laptop"].latency_ms.median + 0.001
    by_number = FRONT.select(latency_ms=limit)
    assert len(FRONT.members) > 2
    for words in (f"{limit} ms", parse_bound(f"{limit}ms", "time", "")):
        assert FRONT.select(latency=words).candidate == by_number.candidate
    assert by_number.candidate.costs()["laptop"].latency_ms.median <= limit
    assert FRONT.select(prefer="fastest").candidate == FRONT.members[0]


def test_wishes() -> None:
    read = read_wishes({"size_mb": 30, "throughput_per_s": 200, "accuracy_drop": "1%", "target": None, "flops": "2G"})
    assert {name: getattr(bound, "value", bound) for name, bound in read.items()} == {
        "size": 30, "throughput": 200, "accuracy_drop": 0.01, "target": None, "flops": 2e9
    }  # fmt: skip
    assert read_wishes({"latency_ms": "50%"})["latency"].relative
    with pytest.raises(ConfigError, match="only one of latency and latency_ms"):
        read_wishes({"latency": "8 ms", "latency_ms": 8})
    with pytest.raises(ConfigError, match=r"a wish must be one of latency, .* but got 'speed'"):
        read_wishes({"speed": 8})
    with pytest.raises(ConfigError, match="latency: must be a time such as"):
        read_wishes({"latency": 8})


def test_a_table_of_pandas() -> None:
    table = FRONT.to_pandas()
    assert list(table.index) == ["original", *(candidate.id for candidate in FRONT.candidates)]
    assert list(table.index[table["on_front"]]) == [c.id for c in FRONT.candidates if c.on_front]
    for candidate in FRONT.candidates:
        row = table.loc[candidate.id]
        assert row["latency_ms"] == candidate.costs()["laptop"].latency_ms.median
        assert row["validation"] == candidate.score.validation
        assert row["measured"] == candidate.verified
    several = build_front(verified=2, unverified=0, targets=("laptop", "board")).to_pandas()
    assert {"laptop.size_mb", "board.size_mb"} <= set(several.columns)


def test_what_a_notebook_and_a_terminal_show() -> None:
    assert repr(FRONT) == f"<Front of {len(FRONT.members)} candidates: accuracy against latency on laptop>"
    html = FRONT._repr_html_()
    console = Console(file=io.StringIO(), width=120)
    console.print(FRONT)
    console.print(FRONT.select(prefer="knee"))
    assert isinstance(console.file, io.StringIO)
    for member in FRONT.members:
        assert member.id in html
        assert member.id in console.file.getvalue()
    assert "Chosen" in console.file.getvalue()
    (axes,) = FRONT.plot().axes
    assert "accuracy" in axes.get_ylabel()


def test_a_candidate_gives_its_model_where_its_weights_are_kept(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    model = BertForSequenceClassification(TINY)
    model.save_pretrained(run.candidate("original"))
    FRONT.save(run.front)
    found = Front.load(run.front)
    assert found == FRONT
    loaded = found.original.model()
    assert not loaded.training
    assert loaded.num_parameters() == model.num_parameters()
    with pytest.raises(RunError, match=f"no weights of candidate '{FRONT.members[0].id}' are kept"):
        found.members[0].model()
