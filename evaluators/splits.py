"""Splits: what is trained on, selected on and reported on stays apart."""

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from greenfront.evaluators.examples import Indices

Keys = np.ndarray[Any, np.dtype[np.uint64]]
"""(N,) one number per row, equal where the contents (without the label) are equal."""

logger = logging.getLogger(__name__)


def hashed(contents: Iterable[bytes]) -> Keys:
    """(N,) a hash of each row's contents."""
    digests = [hashlib.blake2b(content, digest_size=8).digest() for content in contents]
    return np.frombuffer(b"".join(digests), dtype=np.uint64)


def text_keys(rows: Iterable[Sequence[str]]) -> Keys:
    """(N,) a hash of each row's texts."""
    return hashed("\0".join(row).encode(errors="surrogatepass") for row in rows)


def stratified(labels: Indices, count: int, *, seed: int, leave: int = 0) -> Indices:
    """About `count` positions drawn with each class in its share, in ascending order; the same for the same
    seed.

    Quotas are rounded by largest remainder; `leave` positions of each class are never drawn, so that a class
    with a single example stays where it is.
    """
    rng = np.random.default_rng(seed)
    classes, position_class, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    most = np.maximum(sizes - leave, 0)
    count = min(count, int(most.sum()))
    exact = count * sizes / max(len(labels), 1)
    quota = np.minimum(np.floor(exact).astype(np.int64), most)
    # Whatever rounding left over goes to the largest remainders that still have room.
    while quota.sum() < count:
        room = np.where(quota < most, exact - quota, -np.inf)
        quota[int(np.argmax(room))] += 1
    drawn = [
        rng.choice(np.flatnonzero(position_class == one), size=int(quota[one]), replace=False)
        for one in range(len(classes))
    ]
    return np.sort(np.concatenate(drawn)) if drawn else np.empty(0, dtype=np.int64)


def split_off(labels: Indices, keys: Keys, share: float, *, seed: int) -> tuple[Indices, Indices]:
    """Positions that stay, and about `share` of them taken off, stratified; each class keeps at least one.

    Rows of equal contents go to the same side: otherwise what is reported would have been trained on.
    """
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    count = max(1, round(share * len(first)))
    taken_groups = np.zeros(len(first), dtype=bool)
    taken_groups[stratified(labels[first], count, seed=seed, leave=1)] = True
    taken = taken_groups[group]
    return np.flatnonzero(~taken), np.flatnonzero(taken)


def warn_of_duplicates(keys: Mapping[str, Keys]) -> dict[tuple[str, str], int]:
    """Count, and warn of, rows of one split that stand in an earlier one too; what isn't found isn't counted.

    Returns:
        (earlier split, later split) -> rows of the later one whose contents are in the earlier one.
    """
    names = list(keys)
    counts = {}
    for position, later in enumerate(names):
        for earlier in names[:position]:
            count = int(np.isin(keys[later], keys[earlier]).sum())
            if count:
                counts[earlier, later] = count
                logger.warning(
                    "%d of %d %s rows stand in the %s split too: scores on them are too good",
                    count, len(keys[later]), later, earlier,
                )  # fmt: skip
    return counts
