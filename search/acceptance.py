"""Whether a candidate that was trained on is better than it was, on validation."""

from collections.abc import Iterable

from greenfront.evaluators import Outputs, score, tied


def improves(before: Outputs, after: Outputs, floors: Iterable[float] = ()) -> bool:
    """Whether the divergence is lower, the metric not lower but for a tie, and no floor of the metric newly missed.

    The divergence decides, since a few hundred examples tell little of a metric, and a front's members have been
    chosen for theirs: by luck in part, so that the same model trained on falls back as often as not. A fall that a
    paired test sees is none of chance, and a budget that was kept stays kept. NaN is no improvement.
    """
    if before.divergence is None or after.divergence is None or not after.divergence < before.divergence:
        return False
    old, new = score(before).value, score(after).value
    if any(old >= floor and not new >= floor for floor in floors):
        return False
    return new >= old or (new == new and tied(before, after, seed=0))
