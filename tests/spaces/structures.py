"""Every architecture that parts can be removed from, with a space of all methods and plans drawn from it."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.spaces import Library, Plan, Space, find_space
from tests.spaces.architectures import distilbert, electra, llama, modernbert
from tests.spaces.models import BUILDERS, LENGTH, Prepared, batch_for, randomized

STRUCTURES: dict[str, Callable[[], PreTrainedModel]] = {
    **BUILDERS, "distilbert": distilbert, "modernbert": modernbert, "electra": electra, "llama": llama
}  # fmt: skip
CAUSAL = ("gpt2", "llama")
OPTIONS: dict[str, Any] = {
    "low_rank": {"align": 4}, "embeddings": {"align": 4}, "linformer": {"lengths": [2, 5]}, "window": [2, 4]
}  # fmt: skip


def config_for(name: str, *, attention: bool = True) -> SpaceConfig:
    """Every method that removes parts, ranks, and an approximation of attention where asked for."""
    methods = ["heads", "width", "low_rank"] if name == "albert" else ["blocks", "heads", "width", "low_rank"]
    if name != "vit":
        methods.append("embeddings")
    if attention:
        methods.append("window" if name in CAUSAL else "linformer")
    return SpaceConfig.model_validate({"methods": methods, **OPTIONS})


def build(name: str) -> PreTrainedModel:
    """A new model of `STRUCTURES`, the same one every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return randomized(STRUCTURES[name]())


@cache
def structure(name: str, *, attention: bool = True) -> Prepared:
    """A model of `STRUCTURES` with its space and library; shared between tests, which leave all three as they are."""
    model, config = build(name), config_for(name, attention=attention)
    space = find_space(model, config, LENGTH)
    batches = [batch_for(name, seed=seed) for seed in range(1, 5)]
    return Prepared(model, space, Library.compute(model, batches, space, config))


def draw(space: Space, count: int, seed: int) -> list[Plan]:
    """Random plans in which about half of the choices are left alone, so that layers are not all skipped."""
    rng = random.Random(seed)
    plans = []
    for _ in range(count):
        point = [
            len(c.settings) if rng.random() < (0.8 if c.method == "blocks" else 0.4) else rng.randrange(len(c.settings))
            for c in space.choices
        ]
        plans.append(space.plan(point))
    return plans


@contextmanager
def masked(model: PreTrainedModel, masks: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside, the inputs of the linears at these paths are multiplied by a mask (I)."""

    def times(mask: Tensor) -> Callable[[nn.Module, tuple[Tensor]], tuple[Tensor]]:
        return lambda _, arguments: (arguments[0] * mask,)

    with ExitStack() as stack:
        for path, mask in masks.items():
            stack.callback(model.get_submodule(path).register_forward_pre_hook(times(mask)).remove)
        yield
