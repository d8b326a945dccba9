"""`front.png`: accuracy against measured cost, with intervals, budgets and what was left behind."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from greenfront.config import HIGHER_IS_BETTER, CostName
from greenfront.durable import replacing
from greenfront.evaluators.direction import INVERTED
from greenfront.search import view, wording
from greenfront.search.candidate import Candidate
from greenfront.search.front import Front
from greenfront.search.slack import cost_name

SIZE_INCHES, DPI = (8.0, 5.2), 150
LABEL_GAP = (0.055, 0.05)  # labels closer than these shares of the axes' width and height are left out


def plot_front(front: Front, path: Path, *, workload: str | None = None) -> None:
    """Write `draw_front`'s picture to `path` as a PNG of 1200 x 780 pixels."""
    with replacing(path) as partial:
        draw_front(front, workload).savefig(partial, format="png")


def draw_front(front: Front, workload: str | None = None) -> Figure:
    """The front as a figure.

    y is the score on validation, x the first cost among the objectives (else latency) on the first target,
    measured; horizontal bars are the latency's interval, faint vertical bars the test score with its
    interval. Hollow points are predicted only. Candidates far below the front are counted, not drawn.
    `workload` is added to the title, e.g. `torch, 1 thread, batch 1, 64 tokens`.
    """
    name, target = cost_name(front.axis), front.target
    # The figure's own canvas instead of pyplot: no global state, no display, safe beside a user's own plots.
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, layout="tight")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shown = view.groups(front)
    low, high = view.score_range(front)

    _points(axes, shown.unverified, target, name, marker="o", s=16, facecolors="none", edgecolors=view.GREY,
            linewidths=0.8, label="not verified (predicted cost)")  # fmt: skip
    _points(axes, shown.infeasible, target, name, marker="x", s=32, c=view.ORANGE, label="misses a budget")
    _points(axes, shown.dominated, target, name, marker="o", s=26, c=view.GREY, label="dominated")
    _front(axes, shown.front, target, name, view.front_name(front))
    _original(axes, front.original, target, name)
    for limit, words in view.cost_lines(front, target, name):
        axes.axvline(limit / wording.WORDS[name].scale, color=view.GREEN, ls="--", lw=1.2, label=words)
    for (floor, words), style in zip(view.score_lines(front), ("-.", ":"), strict=False):
        axes.axhline(floor, color=view.GREEN, ls=style, lw=1.2, label=words)

    axes.set_ylim(low, high)
    scale = view.cost_scale(front, target, name)
    _stretch(axes, scale, wording.WORDS[name].scale)
    _labels(axes, (*shown.front, front.original), front, name, scale)
    _below(axes, front, low)
    _frame(axes, front, name, workload)
    return figure


def _points(
    axes: Axes, candidates: Sequence[Candidate], target: str, name: CostName, *, label: str, **style: object
) -> None:
    if candidates:
        x = [_x(candidate, target, name) for candidate in candidates]
        y = [candidate.score.validation for candidate in candidates]
        axes.scatter(x, y, label=label, zorder=2, **style)  # type: ignore[arg-type]


def _front(axes: Axes, members: Sequence[Candidate], target: str, name: CostName, label: str) -> None:
    if not members:
        return
    x = [_x(candidate, target, name) for candidate in members]
    y = [candidate.score.validation for candidate in members]
    # Stairs, as in the report: between two members nothing is promised but the cheaper one.
    stairs = "steps-pre" if name == "throughput_per_s" else "steps-post"
    axes.plot(x, y, color=view.BLUE, lw=1.6, marker="o", ms=6.5, zorder=4, label=label, drawstyle=stairs)
    _intervals(axes, members, target, name, view.BLUE)


def _original(axes: Axes, original: Candidate, target: str, name: CostName) -> None:
    x, y = _x(original, target, name), original.score.validation
    axes.scatter([x], [y], marker="*", s=210, c=view.VERMILLION, zorder=5, label="original")
    _intervals(axes, [original], target, name, view.VERMILLION)


def _intervals(axes: Axes, candidates: Sequence[Candidate], target: str, name: CostName, color: str) -> None:
    for candidate in candidates:
        x, y = _x(candidate, target, name), candidate.score.validation
        if name == "latency_ms":
            of = candidate.costs()[target].latency_ms
            axes.errorbar(x, y, xerr=[[of.median - of.low], [of.high - of.median]], fmt="none", ecolor=color,
                          elinewidth=1.2, capsize=2.5, zorder=3)  # fmt: skip
        test, interval = candidate.score.test, candidate.score.test_interval
        if test is not None and interval is not None:
            axes.vlines(x, *interval, color=color, alpha=0.22, lw=5, zorder=1)
            axes.scatter([x], [test], marker="_", s=70, c=color, alpha=0.6, zorder=1)


def _stretch(axes: Axes, scale: view.Scale, unit: float) -> None:
    """The x axis, in the shown unit."""
    if scale.logarithmic:
        ticks = view.Scale(scale.low / unit, scale.high / unit, True).ticks()
        axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(8))
    axes.set_xlim(scale.low / unit, scale.high / unit)


def _labels(axes: Axes, candidates: Sequence[Candidate], front: Front, name: CostName, scale: view.Scale) -> None:
    """How many times less than the original, beside the points, as far as there is room."""
    reference = front.original.costs()[front.target].value(name)
    bottom, top = axes.get_ylim()
    points = [(_x(c, front.target, name), c.score.validation) for c in candidates]
    values = [c.costs()[front.target].value(name) for c in candidates]
    places = [(scale.place(v), (y - bottom) / (top - bottom)) for v, (_, y) in zip(values, points, strict=True)]
    for candidate, point, written in zip(candidates, points, view.readable(places, LABEL_GAP), strict=True):
        if written:
            words = wording.ratio(name, reference, candidate.costs()[front.target].value(name))
            # A front rises away from its cheap end: on that side no line runs through the words.
            side = 1 if front.axis in HIGHER_IS_BETTER else -1
            axes.annotate(words, point, xytext=(5 * side, 7), textcoords="offset points", fontsize=8.5,
                          ha="left" if side > 0 else "right", zorder=6, clip_on=True)  # fmt: skip


def _below(axes: Axes, front: Front, low: float) -> None:
    count = view.below(front, low)
    if count:
        words = f"{count} candidate{'s' if count > 1 else ''} below this range"
        axes.annotate(f"↓ {words}", (0.01, 0.015), xycoords="axes fraction", fontsize=8, color="#555555")


def _frame(axes: Axes, front: Front, name: CostName, workload: str | None) -> None:
    where = f"{front.target} ({workload})" if workload else front.target
    words = wording.axis_title(name, [front.original.costs()[front.target]])
    axes.set_title(f"{front.metric} against {words} on {where}", fontsize=11, wrap=True)
    how = "measured" if front.original.measured(front.target) else "predicted"
    axes.set_xlabel(f"{words}, {how}; labels: times {wording.WORDS[name].better} than the original")
    axes.set_ylabel(f"{front.metric} on validation (faint bar: on test, 95%)")
    if front.metric in INVERTED:  # better stays above: the scale is that of the inverse, its numbers are the metric's
        axes.yaxis.set_major_formatter(lambda value, _: wording.score(value, front.metric) if value > 0 else "")
    for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
        text.set_parse_math(False)  # names come from users: a dollar sign in them begins no formula
    axes.grid(color="#E4E4E4", lw=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(fontsize=8, loc="lower right", framealpha=0.9)


def _x(candidate: Candidate, target: str, name: CostName) -> float:
    return candidate.costs()[target].value(name) / wording.WORDS[name].scale
