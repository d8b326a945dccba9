"""Training: the original's ordinary fine-tuning and the candidates' quick distillation, one plain loop.

Not `transformers.Trainer`: its set-up and bookkeeping take seconds, which a hundred-step candidate would pay
each time, and candidates need a loss against precomputed logits that it has no place for.
"""

import contextlib
import itertools
import math
import time
from collections.abc import Callable, Collection, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from transformers import PreTrainedModel

from greenfront.config import FineTuneConfig
from greenfront.errors import ConfigError, DataError, Diverged, PlanError
from greenfront.evaluators.examples import Examples, Indices, endless_batches, pick
from greenfront.evaluators.optimizer import adamw, moments_of, restore_moments
from greenfront.evaluators.peak_rate import loss_before, share_of_peak
from greenfront.evaluators.precision import autocast, resolve_precision
from greenfront.evaluators.prediction import Teacher
from greenfront.evaluators.training_log import Stretch, TrainingLog
from greenfront.spaces.answers import answer_rows

Progress = Callable[[int, int], None]
Batch = dict[str, torch.Tensor]
Loss = Callable[[torch.Tensor, torch.Tensor, Batch], torch.Tensor]
"""(logits (P, C), which rows of all examples' they are (P,), the batch) -> mean loss in nats."""

TEMPERATURE = 2.0
"""Both sides' logits are divided by it in distillation: the teacher's small probabilities teach, too."""
_GRADIENT_NORM = 1.0


def fine_tune(
    model: PreTrainedModel,
    examples: Examples,
    config: FineTuneConfig,
    *,
    seed: int,
    progress: Progress | None = None,
) -> TrainingLog:
    """Train the original, in place, on its labels: mean cross-entropy of a batch's rows, every parameter,
    `original_epochs` passes.

    Raises:
        Diverged: the loss or a gradient is NaN or infinite; the message names the step.
    """
    targets = torch.from_numpy(examples.targets)
    steps = math.ceil(config.original_epochs * math.ceil(len(examples) / config.batch_size))

    def cross_entropy(logits: torch.Tensor, rows: torch.Tensor, _: Batch) -> torch.Tensor:
        return F.cross_entropy(logits, targets[rows].to(logits.device))

    return _train(
        model, examples, config, cross_entropy,
        steps=steps, peak=config.original_learning_rate, name="original_learning_rate", seed=seed,
        dropout=True, progress=progress,
    )  # fmt: skip


def distill(
    model: PreTrainedModel,
    examples: Examples,
    teacher: Teacher,
    config: FineTuneConfig,
    *,
    seed: int,
    frozen: Collection[str] = (),
    stretch: Stretch | None = None,
    full_rate: bool = False,
    progress: Progress | None = None,
) -> TrainingLog:
    """Train a candidate, in place, towards the original's answers: `config.steps` steps.

    The loss is `T^2 KL(teacher || student)` of logits softened at T = 2 (Hinton et al. 2015, section 2),
    without a term for the labels: recovering the original's behaviour needs none (Puzzle, section 5).
    The rate's peak is the configured one for a candidate that has lost much, and less for others (`peak_rate.py`).
    Dropout stays off: the original's answers are exact, and in so few steps its noise costs more than it protects
    from (divergence on validation after 60 steps at a third of the latency: .0133 without, .0215 with).

    Args:
        model: the candidate.
        examples: N examples; their labels are not used.
        teacher: the original's logits (P, C) on the same examples in the same order, or the original itself, which
            then answers every batch in the candidate's precision.
        config: steps, batch size, learning rate and precision.
        seed: of the order of examples and of dropout.
        frozen: module paths whose parameters stay as they are.
        stretch: the part of it that is done now, on a model that is as the part before left it.
        full_rate: the peak is the configured one for whatever loss.
        progress: called with the steps done and their total.

    Raises:
        Diverged: the loss or a gradient is NaN or infinite; the message names the step.
        ConfigError: a stretch that isn't part of `config.steps`.
        DataError: the logits are not one row per answer.
        PlanError: a frozen path that isn't a module of the model.
    """
    answers_of = _answers_of(teacher, int(examples.rows[-1]), config)

    def divergence(logits: torch.Tensor, rows: torch.Tensor, batch: Batch) -> torch.Tensor:
        student = torch.log_softmax(logits / TEMPERATURE, dim=-1)
        target = torch.log_softmax(answers_of(rows, batch).to(logits.device) / TEMPERATURE, dim=-1)
        return TEMPERATURE**2 * F.kl_div(student, target, reduction="batchmean", log_target=True)

    with _frozen(model, frozen):
        return _train(
            model, examples, config, divergence,
            steps=config.steps, peak=config.learning_rate, name="learning_rate", seed=seed, dropout=False,
            progress=progress, stretch=stretch, by_loss=not full_rate,
        )  # fmt: skip


def _answers_of(teacher: Teacher, rows: int, config: FineTuneConfig) -> Callable[[torch.Tensor, Batch], torch.Tensor]:
    """The original's logits (P, C) of the chosen rows, looked up or computed on the batch."""
    if isinstance(teacher, PreTrainedModel):
        original, device = teacher.train(False), next(teacher.parameters()).device
        precision = resolve_precision(config.precision, device)

        @torch.no_grad()
        def compute(_: torch.Tensor, batch: Batch) -> torch.Tensor:
            with autocast(precision, device):
                return answer_rows(original, batch).float()

        return compute
    if len(teacher) != rows:
        raise DataError(f"teacher: must have one row per answer ({rows}), but got {len(teacher)}")
    kept = torch.from_numpy(np.asarray(teacher, dtype=np.float32))
    return lambda chosen, _: kept[chosen]


def learning_rate(step: int, steps: int, peak: float, warmup: float) -> float:
    """The rate at `step` (from 0) of `steps`: linear from 0 up during the warm-up's share, then linear to
    0."""
    rising = math.ceil(warmup * steps)
    if step < rising:
        return peak * (step + 1) / rising
    return peak * (steps - step) / max(1, steps - rising)


def _train(
    model: PreTrainedModel,
    examples: Examples,
    config: FineTuneConfig,
    loss_of: Loss,
    *,
    steps: int,
    peak: float,
    name: str,
    seed: int,
    dropout: bool,
    progress: Progress | None,
    stretch: Stretch | None = None,
    by_loss: bool = False,
) -> TrainingLog:
    part = stretch or Stretch(0, steps)
    if not 0 <= part.start <= part.stop <= steps:
        raise ConfigError(f"a stretch must be within {steps} steps, but got steps {part.start} to {part.stop}")
    device = next(model.parameters()).device
    precision = resolve_precision(config.precision, device)
    start = time.perf_counter()
    losses: list[float] = []
    seen = 0
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = adamw(trained)
    restore_moments(model, optimizer, part.moments)
    offsets = examples.rows

    def loss_on(indices: Indices) -> torch.Tensor:
        inputs = {key: value.to(device) for key, value in examples.batch(indices).items()}
        with autocast(precision, device):
            logits = answer_rows(model, inputs)
        return loss_of(logits.float(), torch.from_numpy(pick(offsets, indices)), inputs)

    order = itertools.islice(endless_batches(examples, config.batch_size, seed=seed), part.start, None)
    before = part.before
    if by_loss and part.start == 0 < part.stop:
        model.train(False)
        before = loss_before(loss_on, endless_batches(examples, config.batch_size, seed=seed))
    share = share_of_peak(before)
    stop = part.stop if share > 0 else part.start
    with _training(model, seed, device, dropout=dropout):
        for step in range(part.start, stop):
            rate = learning_rate(step, steps, share * peak, config.warmup)
            for group in optimizer.param_groups:
                group["lr"] = rate
            indices = next(order)
            loss = loss_on(indices)
            torch.autograd.backward(loss)
            norm = torch.nn.utils.clip_grad_norm_(trained, _GRADIENT_NORM)
            losses.append(loss.item())
            for what, value in (("loss", losses[-1]), ("gradient norm", norm.item())):
                if not math.isfinite(value):
                    raise Diverged(
                        f"{what} is {value} at step {step + 1} of {steps} (rate {rate:.1e}, {precision}); "
                        f"a fine_tune.{name} below {peak:g} may help",
                        steps=step + 1,
                    )
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            seen += len(indices)
            if progress is not None:
                progress(step + 1, steps)
    return TrainingLog(
        len(losses), seen, time.perf_counter() - start, precision, tuple(losses),
        moments=moments_of(model, optimizer) if stretch is not None else {}, before=before,
    )  # fmt: skip


@contextlib.contextmanager
def _training(model: PreTrainedModel, seed: int, device: torch.device, *, dropout: bool) -> Iterator[None]:
    """Training mode where dropout is wanted, a random state of its own; eval mode without gradients afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        model.train(dropout)
        try:
            yield
        finally:
            model.zero_grad(set_to_none=True)
            model.train(False)


@contextlib.contextmanager
def _frozen(model: PreTrainedModel, paths: Collection[str]) -> Iterator[None]:
    """The parameters below these paths need no gradient inside."""
    stopped = []
    try:
        for path in paths:
            try:
                module = model.get_submodule(path)
            except AttributeError as error:
                raise PlanError(f"frozen: {path!r} is not a module of {type(model).__name__}") from error
            for parameter in module.parameters():
                if parameter.requires_grad:
                    parameter.requires_grad_(False)
                    stopped.append(parameter)
        yield
    finally:
        for parameter in stopped:
            parameter.requires_grad_(True)
