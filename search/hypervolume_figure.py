"""How the hypervolume of a search grew, over trials and over time."""

from collections.abc import Sequence

from greenfront.search import wording
from greenfront.search.chart import Axis, Chart, Color, Series, Symbol
from greenfront.search.history import History, Reached
from greenfront.search.study import RANDOM, SAMPLER

UNITS = ((7200.0, 3600.0, "hours"), (300.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))
"""From so many seconds on, what they are divided by, and the unit that they then have."""
STYLES: dict[str, tuple[str, Symbol, Color]] = {
    "stored": ("of an earlier configuration", "diamond", "grey"),
    "first": ("first plans", "square", "orange"),
    "random": ("drawn at random within the budgets", "triangle", "green"),
    "sampler": ("proposed by the sampler", "circle", "blue"),
}


def hypervolume_figures(history: History) -> tuple[Chart, Chart]:
    """Over trials, and over time: a step line, and a marker where each trial ended."""
    longest = max((reached.seconds for reached in history.curve), default=0.0)
    divisor, unit = next((by, name) for least, by, name in UNITS if longest >= least)
    over_trials = [float(reached.trials) for reached in history.curve]
    over_time = [reached.seconds / divisor for reached in history.curve]
    return (
        _figure(history.curve, over_trials, "trials"),
        _figure(history.curve, over_time, f"time ({unit})"),
    )


def whose(reached: Reached) -> str:
    """Whose plan it was that ended there."""
    if reached.tried.stored:
        return "stored"
    return {SAMPLER: "sampler", RANDOM: "random"}.get(reached.tried.result.origin, "first")


def hypervolume_words(history: History) -> str:
    """What the curve came to, and how it is to be read."""
    last = history.curve[-1].hypervolume if history.curve else 0.0
    rule = (
        "How much of what can be hoped for has been found: the share of the box from a divergence of 1 nat and the "
        "budgets' costs down to a nearly perfect model, on logarithms, that some trial within every budget dominates, "
        "by predicted costs."
    )
    if len(history.rungs) > 2:
        rule += " When the rungs between the lowest and the last were climbed isn't known: time leaves them out."
    if last <= 0:
        return f"{rule} No trial came into that box, so it stayed at nothing."
    enough = next(reached for reached in history.curve if reached.hypervolume >= 0.99 * last)
    return f"{rule} It came to {last:.3f}, 99% of it after {wording.counted(enough.trials, 'trial')}."


def _figure(curve: Sequence[Reached], x: Sequence[float], title: str) -> Chart:
    volumes = [reached.hypervolume for reached in curve]
    # From nothing at the beginning, so that the first trial's step is seen.
    line = Series("hypervolume", [0.0, *x], [0.0, *volumes], "grey", symbol=None, line="step")
    series = [line]
    for kind, (name, symbol, color) in STYLES.items():
        places = [place for place, reached in enumerate(curve) if whose(reached) == kind]
        if places:
            series.append(
                Series(
                    f"{name} ({len(places)})", [x[place] for place in places], [volumes[place] for place in places],
                    color, symbol, words=[_words(curve, place) for place in places],
                )
            )  # fmt: skip
    axes = Axis(title, low=0.0), Axis("hypervolume", low=0.0)
    return Chart(f"Hypervolume over {title}", *axes, tuple(series))


def _words(curve: Sequence[Reached], place: int) -> str:
    reached, before = curve[place], curve[place - 1].hypervolume if place else 0.0
    result = reached.tried.result
    came = result.reason or "failed"
    if result.divergence is not None:
        came = f"{wording.number(result.divergence)} nats"
    return (
        f"trial {result.number}, {result.plan.id} ({result.origin}): {came}\nhypervolume "
        f"{reached.hypervolume:.4f}, by it {reached.hypervolume - before:+.4f}\nafter "
        f"{wording.counted(reached.trials, 'trial')}, {reached.seconds:.0f} s"
    )
