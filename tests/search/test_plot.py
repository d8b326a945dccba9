"""front.png: the picture holds what the front holds, whatever the front is like."""

import math
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib import _pylab_helpers
from matplotlib.axes import Axes

from greenfront.config import BudgetsConfig
from greenfront.search import view
from greenfront.search.front import Front
from greenfront.search.plot import draw_front, plot_front
from tests.search.front_builder import (
    NO_BUDGETS,
    build_candidate,
    build_cost,
    build_front,
    build_plan,
    build_searched_front,
)

NAMES = ("not verified (predicted cost)", "misses a budget", "dominated", "Pareto front", "original")


def axes_of(front: Front, workload: str | None = None) -> Axes:
    figure = draw_front(front, workload)
    figure.canvas.draw()
    return figure.axes[0]


def legend(axes: Axes) -> list[str]:
    shown = axes.get_legend()
    assert shown is not None
    return [text.get_text() for text in shown.get_texts()]


def test_the_png_is_of_150_dpi(tmp_path: Path) -> None:
    path = tmp_path / "front.png"
    plot_front(build_front(verified=14), path)
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (1200, 780)
    per_metre = struct.unpack(">I", data[data.index(b"pHYs") + 4 :][:4])[0]
    assert per_metre == pytest.approx(150 / 0.0254, abs=1)
    assert not _pylab_helpers.Gcf.figs  # nothing is registered with pyplot


def test_everything_is_drawn_and_named() -> None:
    front = build_front(verified=14)
    axes = axes_of(front, "torch, 1 thread, batch 1, 64 tokens")
    assert legend(axes) == [*NAMES, "latency budget 60%", "accuracy drop budget 3%"]
    assert axes.get_title() == ("accuracy against latency (ms) on laptop (torch, 1 thread, batch 1, 64 tokens)")
    line = next(line for line in axes.lines if line.get_label() == "Pareto front")
    assert list(line.get_xdata()) == [c.costs()["laptop"].latency_ms.median for c in front.members]  # type: ignore[arg-type]
    assert list(line.get_ydata()) == [c.score.validation for c in front.members]  # type: ignore[arg-type]
    budget = next(line for line in axes.lines if line.get_label() == "latency budget 60%")
    assert list(budget.get_xdata()) == [12.0, 12.0]  # type: ignore[arg-type]
    texts = [text.get_text() for text in axes.texts]
    assert "1.00x" in texts
    assert f"{20 / front.members[0].costs()['laptop'].latency_ms.median:.2f}x" in texts


def test_an_axis_that_spans_much_is_logarithmic() -> None:
    """Costs of a tenth and of a half of the original's are as far apart as shares are."""
    members = [
        replace(build_candidate(build_plan(n), on_front=True), cost={"laptop": build_cost(ms)})
        for n, ms in ((1, 0.5), (2, 2.0))
    ]
    axes = axes_of(build_front(tuple(members), budgets=NO_BUDGETS))
    assert axes.get_xscale() == "log"
    low, high = axes.get_xlim()
    assert low < 0.5
    assert high > 20
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0.5", "1", "2", "5", "10", "20"]
    assert axes_of(build_front(verified=3)).get_xscale() == "linear"


@pytest.mark.parametrize(("low", "high", "logarithmic"), [(0.1, 20.0, True), (0.0, 20.0, False)])
def test_a_scale_places_its_ends_and_keeps_the_order(low: float, high: float, logarithmic: bool) -> None:
    scale = view.Scale(low, high, logarithmic)
    assert [scale.place(low), scale.place(high)] == pytest.approx([0.0, 1.0])
    assert scale.place(1.0) < scale.place(3.0)


def test_points_far_below_are_counted_instead_of_squashing_the_front() -> None:
    good = build_candidate(build_plan(1), validation=0.92, on_front=True)
    lost = build_candidate(build_plan(2), validation=0.1)
    diverged = build_candidate(build_plan(3), validation=math.nan, verified=False, feasible=False)
    axes = axes_of(build_front((good, lost, diverged), budgets=NO_BUDGETS))
    assert axes.get_ylim()[0] > 0.8
    assert "↓ 2 candidates below this range" in [text.get_text() for text in axes.texts]


def test_a_size_front_has_sizes_on_its_axis() -> None:
    front = build_front(objectives=("accuracy", "size"))
    axes = axes_of(front)
    assert "size on disk (MB)" in axes.get_xlabel()
    assert "size budget 80 MB" in legend(axes)
    assert "latency budget 60%" not in legend(axes)
    original = next(c for c in axes.collections if c.get_label() == "original")
    assert np.asarray(original.get_offsets()).tolist() == [[91.0, 0.93]]


@pytest.mark.parametrize(
    "front",
    [
        build_front((), budgets=NO_BUDGETS),
        build_searched_front(),
        build_front((build_candidate(build_plan(1), on_front=True),)),
        build_front((build_candidate(build_plan(1), feasible=False, missed=("latency",)),)),
        build_front((build_candidate(build_plan(1), verified=False),)),
        build_front((build_candidate(build_plan(1), validation=math.nan, verified=False),)),
        build_front(objectives=("accuracy",), budgets=BudgetsConfig(accuracy=0.9)),
        build_front(objectives=("parameters", "flops", "accuracy")),
        build_front(targets=("a $x_1$ <b>", "two")),
    ],
    ids=["empty", "searched", "one", "infeasible", "predicted", "diverged", "accuracy", "parameters", "names"],
)
def test_unusual_fronts_are_drawn(front: Front, tmp_path: Path) -> None:
    plot_front(front, tmp_path / "front.png")
    assert (tmp_path / "front.png").stat().st_size > 10_000
    assert front.target in axes_of(front).get_title()


def test_a_front_that_misses_a_budget_says_so() -> None:
    near = build_candidate(build_plan(1), on_front=True, feasible=False, missed=("latency",))
    front = build_front((near,))
    assert "Pareto front, misses a budget" in legend(axes_of(front))
    assert view.groups(front).front == (near,)


def test_every_candidate_stands_in_one_group() -> None:
    front = build_front(verified=14)
    shown = view.groups(front)
    ids = [c.id for group in (shown.front, shown.dominated, shown.infeasible, shown.unverified) for c in group]
    assert sorted(ids) == sorted(c.id for c in front.candidates)


def test_labels_keep_their_distance() -> None:
    assert view.readable([(0, 0), (0.01, 0.01), (0.01, 0.5), (0.5, 0)], (0.05, 0.05)) == [
        True,
        False,
        True,
        True,
    ]
    assert view.readable([], (1, 1)) == []
