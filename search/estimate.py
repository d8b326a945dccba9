"""What a configuration would search, and about how long that takes; nothing is trained."""

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from greenfront.config import RunConfig
from greenfront.evaluators import TaskData, batches, load_data, load_original, resolve_precision
from greenfront.search.metric_check import check_metric
from greenfront.search.profiles import check_targets, read_profile
from greenfront.search.search_space import search_space
from greenfront.search.study import make_sampler
from greenfront.spaces import Space
from greenfront.spaces.answers import answer_rows

BACKWARD = 2.0
"""A backward pass costs about two forward passes: one for the activations, one for the weights."""
BFLOAT16 = 2.3
"""How much faster a training step is in bfloat16, where the processor has it (measured on MiniLM-L6)."""


@dataclass(frozen=True)
class Overview:
    """`seconds` per stage are estimates from a few timed forward passes of the original."""

    model: str
    parameters: int
    head_untrained: bool
    examples: dict[str, int]
    labels: tuple[str, ...]
    space: Space
    seconds: dict[str, float]


def overview(config: RunConfig) -> Overview:
    """Load data and model, find the space, time the original.

    Raises:
        GreenfrontError: whatever `run_search` would refuse before it begins.
    """
    check_metric(config)
    make_sampler(config.search.sampler, config.search.sampler_options, config.search.seed, len(config.objectives))
    data, _ = load_data(config.model, config.data, config.search.seed)
    model, untrained = load_original(config.model, data.label_names)
    check_targets(config, model)
    space = search_space(model, config)
    for target in config.hardware:
        if target.profile is not None:
            read_profile(target.profile, target, config, space)
    return Overview(
        model=type(model).__name__,
        parameters=model.num_parameters(),
        head_untrained=untrained,
        examples={name: len(getattr(data, name)) for name in ("train", "validation", "test")},
        labels=data.label_names,
        space=space,
        seconds=_seconds(config, data, _seconds_per_example(model, data, config), untrained),
    )


def _seconds(config: RunConfig, data: TaskData, forward: float, untrained: bool) -> dict[str, float]:
    """Stage by stage, from the seconds of one example forward on one worker's threads."""
    workers, tune = config.workers(), config.fine_tune
    half = resolve_precision(tune.precision, torch.device("cpu")) == "bfloat16"
    step = forward * tune.batch_size * (1 + BACKWARD) / (BFLOAT16 if half else 1)
    epochs = math.ceil(tune.original_epochs * len(data.train) / tune.batch_size)
    trial = tune.steps * step + forward * len(data.validation)
    measuring = sum(target.seconds for target in config.hardware if not target.elsewhere)
    shared = forward / workers  # outside the search all cores serve one process
    return {
        "fine-tuning the original": epochs * step / workers if untrained else 0.0,
        "measuring": sum(target.seconds for target in config.hardware if target.profile is None),
        "decompositions": shared * len(data.calibration) * (1 + BACKWARD) + 10,
        "search": math.ceil(config.search.trials / workers) * trial,
        "verification": shared * len(data.test) * (config.search.finalists + 1) + 10 + measuring,
    }


def _seconds_per_example(model: Any, data: TaskData, config: RunConfig) -> float:
    """Of the original's forward pass on typical batches, on as many threads as a worker has."""
    groups = list(batches(data.train, config.fine_tune.batch_size))
    chosen = [groups[i] for i in np.linspace(0, len(groups) - 1, min(len(groups), 3)).round().astype(int)]
    threads = torch.get_num_threads()
    torch.set_num_threads(config.ray.threads_per_worker)
    try:
        with torch.inference_mode():
            answer_rows(model, data.train.batch(chosen[0][:2]))
            started = time.perf_counter()
            for indices in chosen:
                answer_rows(model, data.train.batch(indices))
            return (time.perf_counter() - started) / sum(map(len, chosen))
    finally:
        torch.set_num_threads(threads)
