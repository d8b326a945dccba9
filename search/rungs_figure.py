"""The picture of a fidelity ladder: the divergence of every trial on each rung that it stood on."""

import math
from collections import Counter

from greenfront.search import wording
from greenfront.search.chart import Axis, Chart, Color, Series, Symbol
from greenfront.search.history import History
from greenfront.search.journal import Result
from greenfront.search.promotions import steps_trained

LEAST_NATS = 1e-6
"""A logarithmic axis has no zero; less is nothing."""
STYLES: dict[str, tuple[str, Color, Symbol]] = {
    "stopped": ("no further than the lowest rung", "grey", "ring"),
    "promoted": ("promoted, not to the last rung", "orange", "diamond"),
    "failed": ("promoted, then failed", "vermillion", "cross"),
    "finished": ("to the last rung", "blue", "circle"),
}
"""What became of a trial -> name in the legend, colour, symbol; drawn in this order, so that what matters is on top."""


def climbers(history: History) -> dict[str, list[Result]]:
    """The trials that stood on a rung, by what became of them; those taken over ready-made were on none."""
    found: dict[str, list[Result]] = {kind: [] for kind in STYLES}
    for each in history.tried:
        result = each.result
        if result.rungs:
            alone = "promoted" if len(result.rungs) > 1 else "stopped"
            found[{"scored": "finished", "failed": "failed"}.get(result.state, alone)].append(result)
    return found


def points(result: Result, history: History) -> list[tuple[int, float, float]]:
    """(steps, divergence in nats, validation score) on every rung that a trial stood on."""
    on_rungs = [(rung.steps, rung.divergence, rung.validation) for rung in result.rungs]
    if result.state == "scored" and result.divergence is not None and result.validation is not None:
        on_rungs.append((history.steps, result.divergence, result.validation))
    return on_rungs


def rungs_figure(history: History) -> Chart:
    """Rungs stand at equal distances, and a trial's points are joined by a line."""
    places = {steps: float(place) for place, steps in enumerate(history.rungs)}
    series = []
    for kind, results in climbers(history).items():
        name, color, symbol = STYLES[kind]
        x: list[float | None] = []
        y: list[float | None] = []
        words: list[str] = []
        for result in results:
            for steps, divergence, validation in points(result, history):
                x.append(places[steps])
                y.append(max(divergence, LEAST_NATS) if math.isfinite(divergence) else None)
                built = ", kept as it was built" if result.untrained and steps == history.steps else ""
                idle = steps > 0 and result.needless
                after = f"on the rung of {steps} steps, none taken" if idle else f"after {steps} steps"
                words.append(
                    f"trial {result.number}, {result.plan.id} ({result.origin})\n{after}: "
                    f"{wording.number(divergence)} nats, {history.metric} "
                    f"{wording.score(validation, history.metric)}{built}"
                )
            x.append(None)
            y.append(None)
            words.append("")
        if results:
            series.append(Series(f"{name} ({len(results)})", x, y, color, symbol, line="straight", words=words))
    ticks = tuple((place, str(steps)) for steps, place in places.items())
    return Chart(
        "Divergence of every trial on each rung that it stood on",
        Axis("steps", low=-0.3, high=len(places) - 0.7, ticks=ticks),
        Axis("divergence (nats)", logarithmic=True),
        tuple(series),
    )


def rungs_words(history: History) -> str:
    """How many went on from which rung, and what that saved."""
    found = [result for results in climbers(history).values() for result in results]
    stood = Counter(steps for result in found for steps, _, _ in points(result, history))
    went = [
        f"{_went_on(found, number)} of {stood[steps]} from {steps} steps"
        for number, steps in enumerate(history.rungs[:-1])
    ]
    trained, whole = steps_trained(found, history.steps), history.steps * len(found)
    return (
        f"Every trial was scored on the lowest rung, and the best of each rung went on: {', '.join(went)}. "
        f"{trained} steps were trained, {wording.share(trained / whole if whole else 0.0)} of what training "
        f"all {len(found)} trials to the end would take."
    )


def _went_on(results: list[Result], number: int) -> int:
    """How many were promoted from the rung with this number."""
    return sum(len(r.rungs) > number + 1 or (len(r.rungs) == number + 1 and r.state != "paused") for r in results)
