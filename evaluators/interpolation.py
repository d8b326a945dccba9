"""Losses between settings that were scored: along one amount, the loss falls the more is kept, and smoothly."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.optimize import isotonic_regression

from greenfront.spaces import Choice, Settings
from greenfront.spaces.compression import method_of

_Member = TypeVar("_Member")
LEAST_NATS = 1e-12
"""Taken for a loss of zero, which has no logarithm."""


def lines(choice: Choice) -> list[list[int]]:
    """The options of a choice that differ in the amount of one method alone, by ascending amount, as option indices.

    Settings whose amount is no number are a line each.
    """
    found: dict[tuple[object, ...], list[int]] = {}
    for index, settings in enumerate(choice.settings):
        key = method_of(settings).keys[0]
        rest = tuple(sorted((name, value) for name, value in settings.items() if name != key))
        alone = isinstance(settings[key], str)
        found.setdefault((key, rest, index if alone else None), []).append(index)
    return [sorted(line, key=lambda index: amount(choice.settings[index])) for line in found.values()]


def amount(settings: Settings) -> float:
    """The number that says how much of a module settings keep; 0 where they say it in words."""
    value = settings[method_of(settings).keys[0]]
    return 0.0 if isinstance(value, str) else float(value)


def spread(line: Sequence[_Member], most: int) -> list[_Member]:
    """At most `most` (2 or more) members of a line: both ends, and what lies evenly between them."""
    if len(line) <= most:
        return list(line)
    return [line[place] for place in np.linspace(0, len(line) - 1, most).round().astype(int)]


def falling(losses: Sequence[float]) -> list[float]:
    """The losses in nats next to these, in their logarithms, that nowhere rise: noise makes keeping more look worse.

    Isotonic regression (pool adjacent violators): those in the wrong order get their geometric mean. Infinite ones
    stay infinite.
    """
    found = np.array(losses, dtype=np.float64)
    finite = np.isfinite(found)
    if finite.any() and (np.diff(found[finite]) > 0).any():
        logs = np.log(np.maximum(found[finite], LEAST_NATS))
        found[finite] = np.exp(isotonic_regression(logs, increasing=False).x)
    return [float(loss) for loss in found]


def between(scored: Mapping[float, float], places: Sequence[float]) -> list[float]:
    """Losses in nats at `places` within those `scored` (ascending): monotone cubic in the logarithms.

    A place is whatever the loss falls with: the amount that is kept, or the inverse of what a closed form predicts; by
    this one, the closed form gives the shape of the loss and the scored settings its level.
    PCHIP (Fritsch & Carlson 1980) never leaves the range of its two neighbours, so nothing overshoots. Where the
    cheaper neighbour is infinitely bad, so is what lies between.
    """
    finite = {math.log(place): loss for place, loss in scored.items() if math.isfinite(loss)}
    logs = [math.log(place) for place in places]
    if len(finite) < 2:
        return [finite.get(place, math.inf) for place in logs]
    curve = PchipInterpolator(list(finite), np.log(np.maximum(list(finite.values()), LEAST_NATS)))
    lowest, highest = min(finite), max(finite)
    return [float(np.exp(curve(place))) if lowest <= place <= highest else math.inf for place in logs]
