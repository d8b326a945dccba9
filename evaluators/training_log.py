"""What a training is to do, when it is a part of one, and what it was."""

import math
from dataclasses import dataclass, field

from greenfront.evaluators.optimizer import Moments
from greenfront.evaluators.precision import Precision


@dataclass(frozen=True)
class Stretch:
    """Part of a training: the steps from `start` (counted from 0) up to before `stop`.

    `moments` are the optimizer's at `start`, `before` the loss in nats before the first step, if known. A training in
    stretches, each from the weights, moments and loss of the one before, is the same, number by number, as one without
    a stop: rates and examples go on where they were.
    """

    start: int
    stop: int
    moments: Moments = field(default_factory=dict)
    before: float | None = None


@dataclass(frozen=True)
class TrainingLog:
    """What a training run was and how it went.

    Attributes:
        steps: optimizer steps done; none where a candidate needs no training.
        examples: examples seen, repeats counted.
        seconds: wall-clock time.
        precision: number format of the forward and backward passes.
        losses: (steps,) raw loss of every step, in nats.
        moments: the optimizer's at the end of a stretch; empty after a whole training.
        before: a candidate's loss before the first step, in nats; None of an original, and without any step.
    """

    steps: int
    examples: int
    seconds: float
    precision: Precision
    losses: tuple[float, ...]
    moments: Moments = field(default_factory=dict, repr=False)
    before: float | None = None

    @property
    def final_loss(self) -> float:
        """Mean loss of the last tenth of the steps; NaN without steps."""
        tail = self.losses[-max(1, len(self.losses) // 10) :]
        return math.fsum(tail) / len(tail) if tail else math.nan
