"""How fast a candidate is distilled: the less it has lost, the slower.

AdamW's steps are as long for a gradient that is next to nothing as for a large one: they move every weight by the
learning rate in directions that a batch's noise decides. What that costs grows with the square of the rate, whatever
the candidate had lost before (R8, 60 steps at 2e-4: from .000004 to .018 nats, decision 27). A candidate's distance
from what training could make of it grows with the square root of its loss. So does the rate here: both keep in step.
"""

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch

from greenfront.evaluators.examples import Indices

PROBED = 4
"""Batches, the first that training takes, on which the loss before training is measured: two per cent of 60 steps."""
FULL = 0.3
"""From this loss on, in nats, the rate is the configured one."""
NEGLIGIBLE = 2e-4
"""Below this loss, in nats, there is no training: whatever it won, no metric of some hundred examples would show it."""


@torch.no_grad()
def loss_before(loss_on: Callable[[Indices], torch.Tensor], order: Iterator[Indices]) -> float:
    """Mean loss in nats of a model before training, over the first batches of its order, in eval mode."""
    return float(np.mean([loss_on(indices).item() for indices in itertools.islice(order, PROBED)]))


def share_of_peak(loss: float | None) -> float:
    """Of the configured rate, for a candidate of this loss before training; 0 where it needs no training.

    1 where the loss isn't known, or is none: training says then that it diverges.
    """
    if loss is None or not math.isfinite(loss):
        return 1.0
    return 0.0 if loss < NEGLIGIBLE else min(1.0, math.sqrt(loss / FULL))
