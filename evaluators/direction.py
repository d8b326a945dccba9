"""Metrics of which less is better, and how they are kept so that more is better everywhere.

Light to import: what shows a front needs nothing else of this room.
"""

import math

INVERTED = frozenset({"perplexity"})
"""Metrics that are kept as their inverse; they are positive."""


def natural(metric: str, value: float) -> float:
    """A kept value as the metric itself, and back: perplexity 20 is kept as 0.05, the rest as it is."""
    if metric not in INVERTED:
        return value
    return 1 / value if value else math.inf
