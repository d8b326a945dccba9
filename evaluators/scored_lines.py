"""Which settings are scored by a pass, and what those lose that are not.

The settings of one module that differ in the amount of one method are a line; lines of modules at the same place in
different layers, with the same settings, are of one kind. Of a line a few settings are scored, and those between follow
them. A large model has more lines than passes: then only some lines of each kind are scored, evenly over the depth,
and those between take over how far the scored ones are above their closed forms.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from greenfront.evaluators.interpolation import LEAST_NATS, amount, between, falling, lines, spread
from greenfront.spaces import Choice, Library, Space
from greenfront.spaces.plan import Plan

FEWEST_LINES = 2
"""Of each kind, however many there are: the first and the last."""


@dataclass(frozen=True)
class Line:
    """Settings of one choice, the least kept first, with their closed-form losses; None where there is none."""

    choice: Choice
    options: tuple[int, ...]
    closed: tuple[float, ...] | None

    @property
    def places(self) -> list[float]:
        """What the loss falls with: the inverse of the closed form, else the amount."""
        if self.closed is None:
            return [amount(self.choice.settings[option]) for option in self.options]
        return [1 / max(loss, LEAST_NATS) for loss in self.closed]

    def plan(self, option: int) -> Plan:
        """The original with one setting alone."""
        return Plan({self.choice.site.path: self.choice.settings[option]})

    def filled(self, scored: Mapping[int, float]) -> dict[int, float]:
        """The loss of every option, of which two or more are `scored`, both ends among them; it never rises."""
        known = [option for option in self.options if option in scored]
        level = dict(zip(known, falling([scored[option] for option in known]), strict=True))
        places = dict(zip(self.options, self.places, strict=True))
        missing = [option for option in self.options if option not in level]
        of_scored = {places[option]: loss for option, loss in level.items()}
        found = between(of_scored, [places[option] for option in missing]) if missing else []
        return level | dict(zip(missing, found, strict=True))

    def beside(self, other: "Line", losses: Mapping[int, float]) -> list[float]:
        """The logarithms of this line's losses, were they as far above their closed forms as the other's losses are."""
        logs = np.log([max(losses[option], LEAST_NATS) for option in other.options])
        for line, sign in ((self, 1.0), (other, -1.0)):
            if line.closed is not None:
                logs += sign * np.log(np.maximum(line.closed, LEAST_NATS))
        return [float(each) for each in logs]


def kinds(space: Space, library: Library) -> list[list[Line]]:
    """Every line of a space, those of one kind together in the model's order."""
    found: dict[tuple[object, ...], list[Line]] = {}
    for choice in space.choices:
        for options in lines(choice):
            settings = [choice.settings[option] for option in options]
            closed = [library.loss(choice.site.path, each) for each in settings]
            known = [loss for loss in closed if loss is not None]
            line = Line(choice, tuple(options), tuple(known) if len(known) == len(closed) else None)
            role = re.sub(r"\d+", "*", choice.name)
            found.setdefault((role, tuple(tuple(sorted(each.items())) for each in settings)), []).append(line)
    return list(found.values())


def scored_options(kinds: Sequence[Sequence[Line]], points: int, passes: int) -> list[list[tuple[Line, list[int]]]]:
    """The lines of each kind that are scored, with their options: at most `points` a line, about `passes` in all.

    Where more would be needed, the same share of the lines of every kind is left out, but for `FEWEST_LINES`.
    """
    needed = sum(len(spread(line.options, points)) for kind in kinds for line in kind)
    share = min(1.0, passes / max(needed, 1))
    return [
        [(line, spread(line.options, points)) for line in spread(kind, max(FEWEST_LINES, int(share * len(kind))))]
        for kind in kinds
    ]


def fill(kind: Sequence[Line], scored: Mapping[str, Mapping[int, float]]) -> list[dict[int, float]]:
    """The loss of every option of each line of a kind, from the `scored` ones (by choice.name) of some lines.

    A line without any takes those of the lines of its kind before and after it, by its distance from them.
    """
    found = {
        number: line.filled(scored[line.choice.name])
        for number, line in enumerate(kind)
        if line.options[0] in scored.get(line.choice.name, {})
    }
    for number in set(range(len(kind))) - set(found):
        below, above = max(n for n in found if n < number), min(n for n in found if n > number)
        share = (number - below) / (above - below)
        low, high = (kind[number].beside(kind[n], found[n]) for n in (below, above))
        logs = [(1 - share) * one + share * other for one, other in zip(low, high, strict=True)]
        found[number] = dict(zip(kind[number].options, falling(np.exp(logs).tolist()), strict=True))
    return [found[number] for number in range(len(kind))]
