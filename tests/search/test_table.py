"""The terminal's table: whole at 80 columns, on one line each at 140."""

import math

import pytest
from rich.console import Console

from greenfront.search.front import Front
from greenfront.search.table import front_table, ordered
from tests.search.front_builder import build_candidate, build_front, build_plan, build_searched_front


def rendered(front: Front, width: int) -> list[str]:
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(front_table(front))
    return [line.rstrip() for line in capture.get().splitlines()]


@pytest.mark.parametrize("width", [80, 140])
def test_nothing_is_cut(width: int) -> None:
    front = build_front(verified=14)
    lines = rendered(front, width)
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    for candidate in (front.original, *front.candidates):
        line = next(line for line in lines if candidate.id in line)
        own = candidate.costs()["laptop"]
        assert line.startswith("★") == candidate.on_front
        assert f"{candidate.score.validation:.3f}" in line
        assert f"({20 / own.latency_ms.median:.2f}x)" in line
        assert f"({91 / own.size_mb:.2f}x)" in line
        assert ("~" in line) == (candidate.cost is None)
        assert (" yes" in line) == candidate.feasible
        if candidate.score.test is not None:
            assert f"→ {candidate.score.test:.3f} [{candidate.score.test - 0.012:.3f}, " in line


def test_one_line_each_when_there_is_room() -> None:
    front = build_front(verified=14)
    assert len(rendered(front, 140)) == len(front.candidates) + 5  # title, head, rule, original, caption


def test_missed_budgets_are_words_that_are_not_broken() -> None:
    lost = build_candidate(build_plan(1), feasible=False, missed=("latency", "size", "accuracy_drop"))
    words = " ".join(rendered(build_front((lost,)), 80)).split()
    assert {"latency,", "size,", "accuracy", "drop"} <= set(words)


def test_names_are_no_markup_and_diverged_candidates_have_a_row() -> None:
    diverged = build_candidate(build_plan(1), validation=math.nan, verified=False, feasible=False, targets=("[red]x",))
    text = "\n".join(rendered(build_front((diverged,), targets=("[red]x",)), 80))
    assert "[red]x" in text
    assert "nan" in text


def test_before_verification() -> None:
    lines = rendered(build_searched_front(), 80)
    assert sum("~" in line for line in lines) == 6 + 1  # the original, five candidates, the caption


def test_order() -> None:
    rows = ordered(build_front(verified=6, unverified=6))
    keys = [(not c.verified, c.costs()["laptop"].latency_ms.median) for c in rows]
    assert keys == sorted(keys)
