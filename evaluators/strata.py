"""Which examples to compare models on where only a few can be had: more of those that the original is unsure of.

A small change moves the answers that the original is unsure of, and hardly any other. Where it is sure of 97 texts in
100, 64 random ones hold two that tell anything, and which two decides about a factor of ten. So the examples are
sorted by the original's uncertainty and cut into strata of equal uncertainty, and as many are drawn from each, every
one standing for its share of the stratum: stratified sampling, allocated as the spread within strata asks for (Neyman
1934). Half of the weight is shared out evenly, since large changes move answers that seemed sure.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import entr, softmax

from greenfront.evaluators.examples import Examples, Indices
from greenfront.evaluators.sum_metric import Array, Logits

STRATA = 4


@dataclass(frozen=True)
class Stratum:
    """Examples drawn from one stratum, in random order; each stands for `weight` examples."""

    indices: Indices
    weight: float


def uncertainty(logits: Logits, examples: Examples) -> Array:
    """(N,) nats: the entropy of the rows (P, C) of each example, summed."""
    before = np.concatenate([[0.0], np.cumsum(entr(softmax(logits.astype(np.float64), axis=-1)).sum(-1))])
    return np.diff(before[examples.rows])


def strata(uncertain: Array, count: int, *, seed: int) -> list[Stratum]:
    """At most `count` of N examples, by how `uncertain` (N,) the original is of each; the weights add up to N.

    Strata with fewer examples than their share are taken whole.
    """
    order = np.random.default_rng(seed).permutation(len(uncertain))
    order = order[np.argsort(-uncertain[order], kind="stable")]
    share = uncertain[order] + max(float(uncertain.mean()), np.finfo(float).tiny)
    middles = (np.cumsum(share) - share / 2) / share.sum()
    found = []
    parts = min(STRATA, count)
    for number in range(parts):
        members = order[(middles >= number / parts) & (middles < (number + 1) / parts)]
        drawn = np.random.default_rng([seed, number]).permutation(members)[: count // parts]
        if len(drawn):
            found.append(Stratum(drawn, len(members) / len(drawn)))
    return found
