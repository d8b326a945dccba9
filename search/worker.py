"""A Ray worker: builds a candidate, fine-tunes it quickly, scores it."""

import os
import socket
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from greenfront.config import FineTuneConfig
from greenfront.errors import Diverged, RunError
from greenfront.evaluators import Examples, Outputs, Score, Teacher, TrainingLog, answer, distill, score
from greenfront.evaluators.named_metrics import trust_metric
from greenfront.evaluators.peak_rate import share_of_peak
from greenfront.search.acceptance import improves
from greenfront.search.failures import Failure
from greenfront.search.memory import MemoryWatch
from greenfront.search.reasons import failure_of
from greenfront.search.training_state import Part, Weights, pack, to_arrays, unpack
from greenfront.spaces import Library, Plan, complete, compress

CLEARLY = 0.5
"""Trained to this share of its loss before, a candidate is better; of any other, what it was is scored as well: a
second validation takes a tenth of a trial, and the loss before is that of a few training examples."""


@dataclass(frozen=True)
class Assignment:
    """What every worker needs, put into the object store once.

    Logits (P, C) are the original's, by row; without them the original is asked again. `device`: where candidates are
    trained and scored.
    """

    original: PreTrainedModel
    library: Library
    train: Examples
    train_logits: NDArray[np.float32] | None
    validation: Examples
    validation_logits: NDArray[np.float32] | None
    fine_tune: FineTuneConfig
    metric: str
    seed: int
    threads: int
    device: Literal["cpu", "cuda"] = "cpu"


@dataclass(frozen=True)
class Outcome:
    """What came of one plan; `reason` says why there is no score. `outputs` are those on validation.

    `untrained`: its weights are those that it was built with, as training made it no better, or was not needed.
    `steps`: those that were taken here, none where training is not needed; None where that isn't known, as of failures.
    `failure`: the kind of the reason. `note`: what is to be said of a training that came to a score all the same.
    `peak_mb`: the most that the worker's process held, its libraries and the original with it.
    """

    plan_id: str
    validation: float | None
    divergence: float | None
    seconds: float
    reason: str = ""
    outputs: Outputs | None = None
    untrained: bool = False
    steps: int | None = None
    failure: Failure = ""
    note: str = ""
    peak_mb: float | None = None


class Job(Protocol):
    """Anything else than a trial that a worker does with what it has."""

    @property
    def steps(self) -> int:
        """Those of training that it takes."""

    def __call__(self, work: Assignment, /) -> tuple[Outcome, Weights | None]:
        """Do it; what is expected to fail comes back as an outcome with its reason."""


@dataclass(frozen=True)
class _Trained:
    """What is kept of a fine-tuned candidate, its outputs on validation, and how it came to them, as in `Outcome`."""

    weights: Weights | None
    outputs: Outputs
    untrained: bool
    steps: int
    note: str


class Worker:
    """One process with its own threads; Ray makes an actor of it."""

    def __init__(self, assignment: Assignment) -> None:
        if assignment.device == "cuda" and not torch.cuda.is_available():
            raise RunError(f"ray.resources_per_worker.gpu: PyTorch on {socket.gethostname()} finds no GPU")
        torch.set_num_threads(assignment.threads)
        trust_metric(assignment.metric)  # the driver has checked it, and sent it
        self.assignment = assignment
        self._memory = MemoryWatch()

    def ready(self) -> int:
        """The process id, once everything is loaded."""
        return os.getpid()

    def evaluate(self, plan_json: str, part: Part | None = None) -> tuple[Outcome, Weights | None]:
        """Build, fine-tune and score one plan; a failure comes back as an outcome with its reason.

        With the score come the candidate's weights. Where only a part of its training was asked for, and not the last
        one, it is what a further part begins with; None before the first step, where the plan says it all.
        """
        plan, started = Plan.from_json(plan_json), time.perf_counter()
        try:
            trained = self._train(plan, part)
            found = self._score(trained.outputs)
        except Exception as error:  # a search outlives any bad candidate; the reason is kept with the trial
            failure, reason = failure_of(error)
            seconds = time.perf_counter() - started
            return Outcome(plan.id, None, None, seconds, reason, failure=failure, peak_mb=self._memory.peak_mb), None
        outcome = Outcome(
            plan.id, found.value, found.divergence, time.perf_counter() - started, "", trained.outputs,
            trained.untrained, trained.steps, note=trained.note, peak_mb=self._memory.peak_mb,
        )  # fmt: skip
        return outcome, trained.weights

    def perform(self, job: Job) -> tuple[Outcome, Weights | None]:
        """Do a job."""
        return job(self.assignment)

    def _train(self, plan: Plan, part: Part | None) -> _Trained:
        work = self.assignment
        # The plan decides the seed: the same plan gives the same score, whichever worker takes it and when.
        seed = (work.seed + int(plan.id, 16)) % 2**32 if plan else work.seed
        model = self._build(plan, seed)
        frozen = frozen_paths(model)
        stretch = unpack(model, part) if part is not None else None
        begun, ends = (0, work.fine_tune.steps) if part is None else (part.start, part.stop)
        note = ""
        try:
            with self._memory.training(_trainable(model, frozen) if ends > begun else 0):
                log = distill(
                    model, work.train, self._teacher(work.train_logits), work.fine_tune, seed=seed, frozen=frozen,
                    stretch=stretch,
                )  # fmt: skip
        except Diverged as error:
            # As who isn't better after training, it stays as it was built; further parts take it for one that needs
            # no training, so that a ladder comes to the same.
            model, note = self._build(plan, seed), f"training diverged: {error}"
            log = TrainingLog(error.steps - begun, 0, 0.0, "float32", (), before=0.0)
        finished = ends == work.fine_tune.steps
        state = pack(model, frozen, log) if not finished and ends else None
        complete(model)  # puts rounded modules in the place of floats, which `state` still holds
        outputs = self._answer(model)
        if not finished:
            return _Trained(state, outputs, False, log.steps, note)
        if share_of_peak(log.before) == 0:
            return _Trained(to_arrays(model), outputs, True, log.steps, note)
        if not clearly_better(log.before, outputs):
            built = self._build(plan, seed)
            complete(built)
            before = self._answer(built)
            if not improves(before, outputs):
                return _Trained(to_arrays(built), before, True, log.steps, note)
        return _Trained(to_arrays(model), outputs, False, log.steps, note)

    def _build(self, plan: Plan, seed: int) -> PreTrainedModel:
        torch.manual_seed(seed)
        work = self.assignment
        model = compress(work.original, plan, work.library, to_train=True)
        torch.nn.Module.to(model, work.device)  # in place; the model's own `to` is wrapped, and its type lost
        return model

    def _answer(self, model: PreTrainedModel) -> Outputs:
        work = self.assignment
        return answer(model, work.validation, work.metric, self._teacher(work.validation_logits))

    def _teacher(self, logits: NDArray[np.float32] | None) -> Teacher:
        return self.assignment.original if logits is None else logits

    def _score(self, outputs: Outputs) -> Score:
        found = score(outputs)
        if found.divergence is None or not np.isfinite(found.divergence):
            raise Diverged(f"the outputs on validation are not finite (divergence {found.divergence})")
        return found


def clearly_better(before: float | None, outputs: Outputs) -> bool:
    """Whether a trained candidate need not be compared with what it was: `before` is its loss then, if it is known."""
    return before is None or (outputs.divergence or 0.0) < CLEARLY * before


def frozen_paths(model: PreTrainedModel) -> tuple[str, ...]:
    """The embedding table, unless it is in factors: half of a small encoder, and quick steps hardly move it."""
    table = model.get_input_embeddings()
    path = next((path for path, module in model.named_modules() if module is table), "")
    return (path,) if isinstance(table, torch.nn.Embedding) else ()


def _trainable(model: PreTrainedModel, frozen: Collection[str]) -> int:
    """How many parameters are trained where those below some paths are not."""
    below = tuple(f"{path}." for path in frozen)
    return sum(p.numel() for name, p in model.named_parameters() if p.requires_grad and not name.startswith(below))
