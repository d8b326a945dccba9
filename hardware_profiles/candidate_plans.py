"""Which whole candidates calibrate a profile, and which check it."""

import random

from greenfront.spaces import METHODS, Choice, Plan, Space
from greenfront.spaces.approximation import AttentionMethod

_ATTEMPTS = 20


def draw_plans(space: Space, count: int, rng: random.Random, known: set[Plan]) -> list[Plan]:
    """So many plans from cheap to dear, fewer where a space has fewer; distinct, not among `known`, never the original.

    Each has a level of its own between the cheapest settings and the dearest, more of them low, where budgets lie and
    errors weigh most; its choices are more or less scattered around that. Half of the plans use each method at all of
    its sites, half at a share of them, so that what a method costs can be told from what another one does. Half skip
    nothing, and half leave attention exact, as those of a search do that has better ways.
    """
    levels = [((number + rng.random()) / count) ** 1.5 for number in range(count)]
    rng.shuffle(levels)
    drawn: list[Plan] = []
    for level in levels:
        for _ in range(_ATTEMPTS):
            plan = _mixture(space, level, rng)
            if plan and plan not in known and plan not in drawn:
                drawn.append(plan)
                break
    return drawn


def _mixture(space: Space, level: float, rng: random.Random) -> Plan:
    """Every choice at about the same place between its cheapest setting (0) and its dearest (1), or left alone."""
    spread = 0.5 * rng.random()
    shares = {method: _share(method, rng) for method in dict.fromkeys(choice.method for choice in space.choices)}

    def index(choice: Choice) -> int:
        if rng.random() > shares[choice.method]:
            return len(choice.settings)
        place = min(max(level + rng.uniform(-spread, spread), 0.0), 1.0)
        return round(place * (len(choice.settings) - 1))

    return space.plan([index(choice) for choice in space.choices])


def _share(method: str, rng: random.Random) -> float:
    """Of its sites that a method is used at."""
    group = METHODS[method].group if method in METHODS else method  # several approximations are one choice
    if (method == "blocks" or group == AttentionMethod.group) and rng.random() < 0.5:
        return 0.0
    return 1.0 if rng.random() < 0.5 else rng.random()
