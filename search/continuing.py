"""A worker's part of finishing: a candidate is trained on from the weights that it has."""

import time
from dataclasses import dataclass

import torch

from greenfront.evaluators import answer, distill, score
from greenfront.evaluators.examples import Indices, pick
from greenfront.search.reasons import failure_of
from greenfront.search.training_state import Weights, load_arrays, to_arrays
from greenfront.search.worker import Assignment, Outcome, frozen_paths
from greenfront.spaces import Plan, complete, compress


@dataclass(frozen=True)
class Continue:
    """A job for `Pool.give`: train a plan's model on, round it and score it; calling it does that.

    Attributes:
        plan_json: the plan.
        weights: of its trainable model, before anything is rounded.
        steps: of distillation; with 0 the weights are rounded and scored as they are.
        part: (N,) which of the assignment's training examples; None for all.
        to_score: whether the result is rounded and scored. Otherwise it comes back as it can be averaged.
    """

    plan_json: str
    weights: Weights
    steps: int
    part: Indices | None = None
    to_score: bool = True

    def __call__(self, work: Assignment) -> tuple[Outcome, Weights | None]:
        plan, started = Plan.from_json(self.plan_json), time.perf_counter()
        try:
            return self._run(work, plan, started)
        except Exception as error:  # a run outlives a member that can't be trained on: it stays as it was
            failure, reason = failure_of(error)
        return Outcome(plan.id, None, None, time.perf_counter() - started, reason, failure=failure), None

    def _run(self, work: Assignment, plan: Plan, started: float) -> tuple[Outcome, Weights | None]:
        # One seed for all runs of a plan (they are averaged), but not the trial's: its order of examples is used up.
        seed = (work.seed + int(plan.id, 16) + 1) % 2**32
        torch.manual_seed(seed)
        model = compress(work.original, plan, to_train=True)
        torch.nn.Module.to(model, work.device)
        load_arrays(model, self.weights)
        if self.steps:
            train, logits = work.train, work.train_logits
            if self.part is not None:
                logits = None if logits is None else logits[pick(train.rows, self.part)]
                train = train.subset(self.part)
            settings = work.fine_tune.model_copy(update={"steps": self.steps})
            teacher = work.original if logits is None else logits
            # Over so many steps the rate's fall takes back what its noise did; and only what improves is accepted.
            distill(model, train, teacher, settings, seed=seed, frozen=frozen_paths(model), full_rate=True)
        if not self.to_score:
            return Outcome(plan.id, None, None, time.perf_counter() - started), to_arrays(model)
        complete(model)
        against = work.original if work.validation_logits is None else work.validation_logits
        outputs = answer(model, work.validation, work.metric, against)
        found = score(outputs)
        seconds = time.perf_counter() - started
        return Outcome(plan.id, found.value, found.divergence, seconds, outputs=outputs), to_arrays(model)
