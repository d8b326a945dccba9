"""The terminal's tables: whole at 80 columns, at 100 with memory, candidates on one line each at 140."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from greenfront.search import wording
from greenfront.search.front import Front
from greenfront.search.table import BESIDE, cost_rows, cost_tables, front_table, ordered
from tests.search.front_builder import build_candidate, build_front, build_plan, build_searched_front


def rendered(front: Front, width: int, tables: Callable[[Front], RenderableType] = front_table) -> list[str]:
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(tables(front))
    return [line.rstrip() for line in capture.get().splitlines()]


@pytest.mark.parametrize(("width", "objectives"), [(80, ("accuracy", "latency")), (100, ("accuracy", "memory"))])
def test_nothing_is_cut(width: int, objectives: tuple[str, ...]) -> None:
    front = build_front(verified=14, objectives=objectives)
    lines = rendered(front, width)
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    assert any("memory (less)" in line for line in lines) == ("memory" in objectives)
    for candidate in (front.original, *front.candidates):
        line = next(line for line in lines if candidate.id in line)
        own = candidate.costs()["laptop"]
        assert line.startswith("★") == candidate.on_front
        assert f"{candidate.score.validation:.3f}" in line
        assert f"({20 / own.latency_ms.median:.2f}x)" in line
        assert f"({91 / own.size_mb:.2f}x)" in line
        assert f"({482 / own.peak_memory_mb:.2f}x)" in line or "memory" not in objectives
        assert ("~" in line) == (candidate.cost is None)
        assert (" yes" in line) == candidate.feasible
        if candidate.score.test is not None:
            assert f"→ {candidate.score.test:.3f} [{candidate.score.test - 0.012:.3f}, " in line


def test_one_line_each_when_there_is_room() -> None:
    front = build_front(verified=14)
    assert len(rendered(front, 140)) == len(front.candidates) + 5  # title, head, rule, original, caption


def test_missed_budgets_are_words_that_are_not_broken() -> None:
    lost = build_candidate(build_plan(1), feasible=False, missed=("latency", "size", "accuracy_drop"))
    words = " ".join(rendered(build_front((lost,)), 100)).split()
    assert {"latency,", "size,", "accuracy", "drop"} <= set(words)


def test_names_are_no_markup_and_diverged_candidates_have_a_row() -> None:
    diverged = build_candidate(build_plan(1), validation=math.nan, verified=False, feasible=False, targets=("[red]x",))
    text = "\n".join(rendered(build_front((diverged,), targets=("[red]x",)), 100))
    assert "[red]x" in text
    assert "nan" in text


def test_before_verification() -> None:
    lines = rendered(build_searched_front(), 100)
    assert sum("~" in line for line in lines) == 6 + 1  # the original, five candidates, the caption


def test_order() -> None:
    rows = ordered(build_front(verified=6, unverified=6), "laptop")
    keys = [(not c.verified, c.costs()["laptop"].latency_ms.median) for c in rows]
    assert keys == sorted(keys)


@pytest.mark.parametrize("targets", [("laptop",), ("laptop", "a phone")])
def test_every_cost_stands_beside_the_originals(targets: tuple[str, ...]) -> None:
    front = build_front(verified=7, unverified=2, targets=targets)
    everyone = tuple(replace(c, on_front=c.verified, other_fronts=targets[1:]) for c in front.candidates)
    front = replace(front, candidates=everyone)
    assert len(front.members) > 2 * BESIDE
    lines = rendered(front, 100, cost_tables)
    assert max(map(len, lines)) <= 100
    assert "…" not in "".join(lines)
    heads = [line.split() for line in lines if line.lstrip().startswith("original")]
    blocks = math.ceil(len(front.members) / BESIDE)
    assert len(heads) == blocks * len(targets)
    assert [id_ for head in heads[:blocks] for id_ in head[1:]] == [member.id for member in front.members]
    for target in targets:
        assert f"costs on {target}" in "\n".join(lines)


def test_a_row_of_costs_is_the_value_and_how_many_times_better() -> None:
    front = build_front(verified=14)
    rows = cost_rows(front, "laptop", front.members)
    assert rows[0][:2] == ["accuracy on validation", "0.930"]
    own = front.members[0].costs()["laptop"]
    by_name = dict(zip(wording.WORDS, rows[1:], strict=True))
    faster = 20 / own.latency_ms.median
    assert by_name["latency_ms"][:2] == ["latency", "20.0 ms"]
    assert by_name["latency_ms"][2] == f"{wording.number(own.latency_ms.median)} ms ({faster:.2f}x)"
    assert by_name["throughput_per_s"][1:3] == ["50.0/s", f"{wording.number(own.throughput_per_s)}/s ({faster:.2f}x)"]
    assert by_name["energy_j"][0] == "energy of a query (estimated)"


def test_what_was_not_measured_is_marked() -> None:
    elsewhere = build_front(verified=2)
    (first, *_) = elsewhere.candidates
    rows = cost_rows(elsewhere, "laptop", [replace(first, cost={})])
    assert all(row[2].startswith("~") for row in rows[1:])
