"""What a configuration would search, and about how long that takes; nothing is trained."""

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel

from greenfront.config import RunConfig
from greenfront.evaluators import TaskData, batches, load_data, load_original, resolve_precision
from greenfront.evaluators.elements import find_parts
from greenfront.evaluators.significance_analysis import count_passes
from greenfront.search.analysis_seeds import takes_elements_away
from greenfront.search.given_plans import given_plans
from greenfront.search.metric_check import check_metric
from greenfront.search.profiles import check_targets, read_profile
from greenfront.search.ray_session import check_cluster
from greenfront.search.reopening import check_reopened
from greenfront.search.sampling import check_sampler
from greenfront.search.search_space import search_space
from greenfront.search.some_examples import some_batches
from greenfront.search.storage import check_storage
from greenfront.search.trimming import trimmed_for_a_while
from greenfront.spaces import Space
from greenfront.spaces.answers import answer_rows

BACKWARD = 2.0
"""A backward pass costs about two forward passes: one for the activations, one for the weights."""
BFLOAT16 = 2.3
"""How much faster a training step is in bfloat16, where the processor has it (measured on MiniLM-L6)."""
TRAINED, COMPRESSED = 0.7, 0.4
"""What a trial, and a finalist's forward pass, take of what the original would (searches of MiniLM-L6)."""
REPLAYED, WALKED = 0.4, 0.2
"""What scoring a setting, and deciding on an element, take of a whole pass: only what comes after a change is run, and
no part of what has been pruned is tried."""
FACTORIZING, PROCESSES, STARTING = 5.0, 25.0, 10.0
"""Seconds, on MiniLM-L6: decompositions once the moments are known; measuring processes that start, export and end
their last round when the time is over; Ray workers that import everything."""
SOLVING, SOLVING_JOINTLY = 2.0, 5.0
"""Seconds of the first plans' integer programs: with ranks and bits alone, and where one module decides on others."""


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
    if config.output is not None:
        check_reopened(config)
    check_cluster(config.ray)
    check_storage(config.search.storage)
    check_sampler(config)
    data, processor = load_data(config.model, config.data, config.search.seed)
    model, untrained = load_original(config.model, data.label_names)
    check_targets(config, model)
    given_plans(config, model)
    base = trimmed_for_a_while(config, data, processor, model) if config.space.embeddings.trim else model
    space = search_space(base, config)
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
        seconds=stage_seconds(config, data, model, space, _seconds_per_example(model, data, config), untrained),
    )


def stage_seconds(
    config: RunConfig, data: TaskData, model: PreTrainedModel, space: Space, forward: float, untrained: bool
) -> dict[str, float]:
    """Stage by stage, in the order of the run, where the original takes `forward` seconds an example on a worker's
    threads; a stage that isn't needed takes none."""
    workers, tune, search = config.workers(), config.fine_tune, config.search
    half = resolve_precision(tune.precision, torch.device("cpu")) == "bfloat16"
    step = forward * tune.batch_size * (1 + BACKWARD) / (BFLOAT16 if half else 1)
    epochs = math.ceil(tune.original_epochs * len(data.train) / tune.batch_size)
    taught = min(len(data.train), tune.steps * tune.batch_size) + len(data.validation)
    trial = TRAINED * (tune.steps * step + forward * len(data.validation))
    profiled = [target.seconds + PROCESSES for target in config.hardware if target.profile is None]
    measured = [target.seconds for target in config.hardware if not target.elsewhere]
    longer, runs = config.finish.steps, 1 if config.finish.shards == 1 else 1 + config.finish.shards
    members = min(config.finish.members, search.trials)
    finishing = math.ceil(members * runs / workers) * TRAINED * longer * step
    # Outside the search one process works, on all of its threads.
    alone = config.ray.threads_per_worker / torch.get_num_threads()
    shared = forward * alone
    part = some_batches(data.calibration, seed=search.seed)
    scored = shared * sum(len(next(iter(batch.values()))) for batch in part)
    removes = takes_elements_away(space)
    elements = sum(1 + len(each.children) for each in find_parts(model, part[0])) if removes else 0
    tested = len(data.test) * (1 + COMPRESSED * min(search.finalists, search.trials))
    return {
        "fine-tuning the original": epochs * step * alone if untrained else 0.0,
        "measuring": sum(profiled),
        "the original's outputs": shared * taught,
        "decompositions": shared * len(data.calibration) * (1 + BACKWARD) + FACTORIZING,
        "significance": REPLAYED * scored * count_passes(space, search.scored_settings),
        "blocks, heads and neurons": WALKED * scored * elements,
        "first plans": SOLVING_JOINTLY if removes else SOLVING,
        "search": STARTING + math.ceil(search.trials / workers) * trial,
        "finishing": STARTING + finishing + shared * _finishing_examples(config, data) if longer else 0.0,
        "measuring finalists": sum(measured),
        "test scores": shared * tested,
    }


def _finishing_examples(config: RunConfig, data: TaskData) -> int:
    """How many training examples the original answers for finishing."""
    return min(len(data.train), config.finish.steps * config.fine_tune.batch_size * config.finish.shards)


def _seconds_per_example(model: PreTrainedModel, data: TaskData, config: RunConfig) -> float:
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
