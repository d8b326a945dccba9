"""What works on which architecture, found out on small models, as the table of `docs/models.md`."""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.hardware_profiles import Target
from greenfront.hardware_profiles.onnx_export import export_onnx
from greenfront.hardware_profiles.onnx_runtime import OnnxRuntime
from greenfront.spaces import METHODS, Choice, Library, Plan, Space, find_space
from greenfront.spaces.compression import method_name
from tests.spaces.architectures import bart, t5
from tests.spaces.models import LENGTH, Batch, batch_for, logits, randomized, text_batch
from tests.spaces.structures import STRUCTURES

DOCUMENT = Path(__file__).parents[2] / "docs" / "models.md"
TITLES = {
    "bert": "BERT", "roberta": "RoBERTa", "distilbert": "DistilBERT", "electra": "ELECTRA", "albert": "ALBERT",
    "modernbert": "ModernBERT", "vit": "ViT", "gpt2": "GPT-2", "llama": "Llama", "t5": "T5", "bart": "BART",
}  # fmt: skip
MAKERS: dict[str, Callable[[], PreTrainedModel]] = {**STRUCTURES, "t5": t5, "bart": bart}
OPTIONS: dict[str, Any] = {
    "low_rank": {"align": 4}, "embeddings": {"align": 4}, "linformer": {"lengths": [2, 5]}, "window": [2, 4],
    "clustered": [2, 4], "lsh": [4], "performer": [8], "sign_matching": [2, 4], "bits": [8, "8w", 16],
}  # fmt: skip
RUNTIME = OnnxRuntime(Target("here", "cpu", "onnxruntime", threads=1, batch_size=1, sequence_length=LENGTH))
MOST_DRAWS = 40
"""Of plans, until every method has occurred."""
NOISE = 1e-5
"""Differences below are those of a float's last digits."""
HEAD = """\
# What works on which model

Written by `tests/hardware_profiles/test_models_table.py` and checked by it on small models with random weights: for
each, random plans in which every method occurs that fits it are built, answer, train (every weight that can gets a
finite gradient), are saved and loaded with the same logits, and give them in ONNX Runtime, too, at lengths and batch
sizes that were not recorded. The last columns have the largest difference of a logit there from PyTorch, rounded up to
a power of ten: of plans whose inputs aren't rounded, one of which has `bits: 8w` at all linears, the table in 8, blocks
and approximated attention, and of one with any `bits` everywhere, so that a difference in a last digit may become one
of a whole step (it has to be less than twice what the rounding itself changes).

After a change: `GREENFRONT_WRITE_DOCS=1 pytest tests/hardware_profiles/test_models_table.py`.

"""
TAIL = """
`some`: at some of the modules that a method is for; `-`: it has none (no table of tokens). Approximations of attention
are offered from the sequence length on from which they pay, or by name. Of causal models the first attention block
stays ([why](decisions/0014-what-goes-is-removed-and-made-up-for.md)).
"""


@dataclass(frozen=True)
class Model:
    """A small model with a space of all methods that fit it, and what doesn't fit."""

    name: str
    model: PreTrainedModel
    space: Space
    offered: dict[str, int]
    """Method -> at how many modules."""
    reasons: dict[str, tuple[str, ...]]
    """Method -> why others are refused."""


@cache
def model_of(name: str) -> Model:
    """The same at every call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = randomized(MAKERS[name]())
    config = SpaceConfig.model_validate(OPTIONS)
    found = {method: METHODS[method].choices(model, config, LENGTH) for method in METHODS}
    offered = {method: len(choices) for method, (choices, _) in found.items()}
    reasons = {m: tuple(dict.fromkeys(r.reason for r in refusals)) for m, (_, refusals) in found.items()}
    fitting = [method for method, count in offered.items() if count]
    space = find_space(model, SpaceConfig.model_validate({**OPTIONS, "methods": fitting}), LENGTH)
    return Model(name, model, space, offered, reasons)


def batch_of(name: str, *, seed: int = 0) -> Batch:
    """Four examples; where an answer is read at the end token, each has one."""
    return ended(batch_for(name, seed=seed)) if name in ("t5", "bart") else batch_for(name, seed=seed)


def ended(batch: Batch) -> Batch:
    """Texts whose last token is the end token."""
    last = batch["attention_mask"].sum(1) - 1
    batch["input_ids"][torch.arange(len(last)), last] = 2
    return batch


def other_batches(name: str) -> list[Batch]:
    """Of sizes that no graph was recorded with, longer and shorter than any amount of a method."""
    if name == "vit":
        generator = torch.Generator().manual_seed(5)
        return [{"pixel_values": torch.randn(n, 3, 16, 16, generator=generator)} for n in (1, 3)]
    lengths = ([40, 33], [23, 23, 9], [3], [2, 1])
    batches = [text_batch(some, width=max(some)) for some in lengths]
    return [ended(batch) for batch in batches] if name in ("t5", "bart") else batches


@cache
def library_of(name: str) -> Library:
    """Of random inputs."""
    of = model_of(name)
    batches = [batch_of(name, seed=seed) for seed in range(1, 5)]
    return Library.compute(of.model, batches, of.space, SpaceConfig.model_validate(OPTIONS))


def plans_of(space: Space, *, seed: int = 0) -> list[Plan]:
    """Random plans, each with a method that those before it haven't, until every one but bits has occurred."""
    rng, plans, seen = random.Random(seed), list[Plan](), {"bits"}
    for _ in range(MOST_DRAWS):
        plan = space.plan([_drawn(choice, seen, rng) for choice in space.choices])
        used = methods_in(space, plan)
        if used - seen:
            plans.append(plan)
            seen |= used
    return plans


def _drawn(choice: Choice, seen: set[str], rng: random.Random) -> int:
    """A setting, of a method that isn't seen yet where there is one; or the last one, which changes nothing."""
    if rng.random() >= {"blocks": 0.15, "bits": 0.0, "attention": 1.0}.get(choice.method, 0.6):
        return len(choice.settings)
    new = [number for number, settings in enumerate(choice.settings) if method_name(choice, settings) not in seen]
    return rng.choice(new or range(len(choice.settings)))


def methods_in(space: Space, plan: Plan) -> set[str]:
    """Those whose settings a plan has."""
    chosen = zip(space.choices, space.indices(plan), strict=True)
    return {method_name(c, c.settings[index]) for c, index in chosen if index < len(c.settings)}


def rounded_plan(space: Space, *, seed: int = 0) -> Plan:
    """Bits everywhere, ranks and parts removed at random; exact attention, for approximations choose keys by scores."""
    rng = random.Random(seed)
    exact = {name for name, method in METHODS.items() if method.group == "attention"} | {"attention", "blocks"}
    share = {"bits": 1.0, **dict.fromkeys(exact, 0.0)}
    return space.plan([
        rng.randrange(len(choice.settings)) if rng.random() < share.get(choice.method, 0.6) else len(choice.settings)
        for choice in space.choices
    ])  # fmt: skip


def weights_only_plan(space: Space, *, seed: int = 0) -> Plan:
    """`8w` at all linears, 8 at the table, and approximations, blocks and whatever else at random."""
    rng, offered = random.Random(seed), {choice.method for choice in space.choices}
    for _ in range(MOST_DRAWS):
        plan = space.plan([_weights_only(choice, rng) for choice in space.choices])
        chosen = zip(space.choices, space.indices(plan), strict=True)
        if {"bits", "blocks", "attention"} & offered <= {c.method for c, index in chosen if index < len(c.settings)}:
            return plan
    raise AssertionError(f"no plan with bits, blocks and approximated attention in {MOST_DRAWS} draws")


def _weights_only(choice: Choice, rng: random.Random) -> int:
    if choice.method == "bits":
        return next((number for number, settings in enumerate(choice.settings) if settings["bits"] == "8w"), 0)
    share = {"blocks": 0.2, "attention": 1.0}.get(choice.method, 0.3)
    return rng.randrange(len(choice.settings)) if rng.random() < share else len(choice.settings)


def graph_difference(name: str, model: PreTrainedModel, file: Path) -> float:
    """How far ONNX Runtime's logits are from PyTorch's at most, at the recorded size and at others."""
    export_onnx(model, batch_of(name), file)
    serve, largest = RUNTIME.load(file), 0.0
    for batch in (batch_of(name), *other_batches(name)):
        found = serve(batch)()
        assert isinstance(found, Tensor)
        largest = max(largest, (found - logits(model, batch)).abs().max().item())
    return largest


def power_of_ten(difference: float) -> str:
    """Rounded up, `1e-05` at least."""
    return f"{10.0 ** math.ceil(math.log10(max(difference, NOISE) / 1.0000001)):.0e}"


def notes() -> dict[str, int]:
    """Every reason with its number, in the order of the table."""
    reasons = [r for name in TITLES for method in METHODS for r in model_of(name).reasons[method]]
    return {reason: number for number, reason in enumerate(dict.fromkeys(reasons), start=1)}


def methods_of(name: str) -> str:
    """The cells of a model's row that say which methods fit it."""
    of, numbers = model_of(name), notes()
    cells = [TITLES[name]]
    for method in METHODS:
        reasons = of.reasons[method]
        word = "-" if not of.offered[method] and not reasons else "no" if not of.offered[method] else "yes"
        word = "some" if word == "yes" and reasons else word
        cells.append(" ".join([word, *(f"[{numbers[reason]}]" for reason in reasons)]))
    return "| " + " | ".join(cells) + " |"


def document(differences: Mapping[str, tuple[str, str]]) -> str:
    """All of `docs/models.md`; `differences`: of ONNX Runtime, without and with bits, by model."""
    columns = ["", *METHODS, "ONNX", "ONNX with bits"]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    lines += [f"{methods_of(name)} {' | '.join(differences[name])} |" for name in TITLES]
    lines += ["", *(f"{number}. {reason}" for reason, number in notes().items())]
    return HEAD + "\n".join(lines) + "\n" + TAIL
