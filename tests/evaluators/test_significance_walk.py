"""Significance analysis: the right elements, masked as an oracle masks them, decided as the thresholds say."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from greenfront.errors import ConfigError, DataError, RunError
from greenfront.evaluators import Analysis, Finding, Focus, analyze, kl_divergence
from greenfront.evaluators.elements import GROUPS, find_parts
from greenfront.evaluators.recorded_pass import logits_of
from greenfront.spaces.library import dense_weight
from tests.spaces.architectures import bart, distilbert, modernbert, mpnet
from tests.spaces.models import BUILDERS, Batch, batch_for, build, randomized, text_batch

# Attention and feed-forward block of the first layer: where they stand, their output projection.
FIRST = {
    "bert": ("bert.encoder.layer.0.attention.self", "bert.encoder.layer.0.attention.output.dense",
             "bert.encoder.layer.0.output.dense"),
    "roberta": ("roberta.encoder.layer.0.attention.self", "roberta.encoder.layer.0.attention.output.dense",
                "roberta.encoder.layer.0.output.dense"),
    "albert": ("albert.encoder.albert_layer_groups.0.albert_layers.0.attention",
               "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.dense",
               "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn_output"),
    "gpt2": ("transformer.h.0.attn", "transformer.h.0.attn.c_proj", "transformer.h.0.mlp.c_proj"),
    "vit": ("vit.layers.0.attention", "vit.layers.0.attention.o_proj", "vit.layers.0.mlp.fc2"),
}  # fmt: skip


@pytest.mark.parametrize("name", BUILDERS)
def test_the_elements_of_an_architecture(name: str) -> None:
    model = build(name)
    parts = find_parts(model, batch_for(name))
    layers = 1 if name == "albert" else 2
    assert [(part.layer, part.kind) for part in parts] == [
        (layer, kind) for layer in range(layers) for kind in ("attention", "feed_forward")
    ]
    attention, feed_forward = parts[:2]
    assert (attention.path, attention.projection, feed_forward.path) == FIRST[name]
    assert feed_forward.projection == feed_forward.path
    assert attention.children == tuple(tuple(range(8 * head, 8 * head + 8)) for head in range(4))
    assert len(feed_forward.children) == GROUPS
    assert sorted(neuron for group in feed_forward.children for neuron in group) == list(range(64))
    for part in parts:
        assert part.parameters == sum(dense_weight(model.get_submodule(path)).numel() for path in part.modules)
    tokens = 17 if name == "vit" else 16
    assert feed_forward.flops == 2 * tokens * feed_forward.parameters
    assert attention.flops == 2 * tokens * attention.parameters + 4 * 32 * tokens**2


def test_elements_of_other_shapes() -> None:
    inside = find_parts(distilbert(), text_batch([9, 4]))[0]
    assert inside.projection == "distilbert.transformer.layer.0.attention.out_lin"
    gated = find_parts(modernbert(), text_batch([9, 4]))[1]
    assert (gated.projection, len(gated.modules)) == ("model.layers.0.mlp.Wo", 2)
    batch = text_batch([9, 9])
    batch["input_ids"][:, 0] = 2
    decoder = [part for part in find_parts(bart(), batch) if part.layer == 1]
    assert [part.path.rpartition(".")[2] for part in decoder] == ["self_attn", "encoder_attn", "fc2"]


def test_a_model_without_such_attentions_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="MPNetForSequenceClassification has none"):
        analyze(mpnet(), [text_batch([9, 4])])
    with pytest.raises(DataError, match="at least one example"):
        analyze(build("bert"), [])


@contextmanager
def without(model: PreTrainedModel, removed: Sequence[Finding]) -> Iterator[None]:
    """The oracle: weights themselves are zeroed, and put back."""
    parts = {part.path: part for part in find_parts(model, batch_for("bert"))}
    kept: list[tuple[nn.Parameter, torch.Tensor]] = []
    with torch.no_grad():
        for found in removed:
            part = parts[found.path]
            linear: Any = model.get_submodule(part.projection)
            kept += [(weight, weight.clone()) for weight in (linear.weight, linear.bias)]
            if found.kind in ("attention", "feed_forward"):
                linear.weight.zero_()
                linear.bias.zero_()
            else:
                linear.weight[:, list(part.children[found.index])] = 0
        yield
        for weight, before in reversed(kept):
            weight.copy_(before)


def loss_without(model: PreTrainedModel, removed: Sequence[Finding], batches: Sequence[Batch]) -> float:
    reference = np.concatenate([logits_of(model, batch) for batch in batches])
    with without(model, removed):
        changed = np.concatenate([logits_of(model, batch) for batch in batches])
    return float(kl_divergence(reference, changed).mean())


BATCHES = [batch_for("bert", seed=seed) for seed in (0, 1)]


@pytest.mark.parametrize("focus", ["speed", "size", "accuracy"])
def test_every_loss_is_that_of_a_model_whose_weights_are_zeroed(focus: Focus) -> None:
    model = build("bert")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    steps: list[tuple[int, int]] = []
    found = analyze(
        model, BATCHES, focus=focus, thresholds=(0.1, 0.3), progress=lambda *done: steps.append(done)
    ).findings
    gone: list[Finding] = []
    for finding in found:
        expected = loss_without(model, [*gone, finding], BATCHES)
        assert finding.loss == pytest.approx(expected, rel=1e-4, abs=1e-7)
        assert finding.before == pytest.approx(loss_without(model, gone, BATCHES), rel=1e-4, abs=1e-7)
        decision = "prune" if expected <= 0.1 else "approximate" if expected <= 0.3 else "keep"
        assert finding.decision == decision
        if decision == "prune":
            gone.append(finding)
    assert {finding.decision for finding in found} == {"prune", "approximate", "keep"}
    assert {finding.kind for finding in found} >= {"attention", "feed_forward"}
    assert steps[-1] == (28, 28)  # two layers of an attention, four heads, a feed-forward block, eight groups
    assert steps == sorted(steps)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_children_are_tried_of_what_is_kept_alone_and_later_layers_come_first() -> None:
    analysis = analyze(build("bert"), BATCHES, thresholds=(0.1, 0.3))
    for part in analysis.parts:
        tried = [found.index for found in analysis.children(part)]
        size = 4 if part.kind == "attention" else GROUPS
        assert tried == (list(range(size)) if part.decision == "keep" else [])
    for kind in ("attention", "feed_forward"):
        assert [part.layer for part in analysis.parts if part.kind == kind] == [1, 0]


@pytest.mark.parametrize(
    ("focus", "order"),
    [
        ("speed", ["attention", "attention", "feed_forward", "feed_forward"]),  # it has more FLOPs, products included
        ("size", ["feed_forward", "feed_forward", "attention", "attention"]),
        ("accuracy", ["attention", "feed_forward", "attention", "feed_forward"]),
    ],
)
def test_what_a_focus_tries_first(focus: Focus, order: list[str]) -> None:
    from tests.spaces.models import bert

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = randomized(bert(intermediate_size=68))  # a few weights more than attention has
    found = analyze(model, [BATCHES[0]], focus=focus, thresholds=(0.0, 1e9))
    assert [part.kind for part in found.parts] == order


def test_a_cache_too_small_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = analyze(build("bert"), BATCHES, thresholds=(0.1, 0.3))
    monkeypatch.setattr("greenfront.evaluators.significance_walk.CACHE_BYTES", 1)
    found = analyze(build("bert"), BATCHES, thresholds=(0.1, 0.3))
    assert [f.decision for f in found.findings] == [f.decision for f in expected.findings]
    assert [f.loss for f in found.findings] == pytest.approx([f.loss for f in expected.findings], rel=1e-5)


def test_the_record_can_be_kept() -> None:
    found = analyze(build("vit"), [batch_for("vit")])
    assert Analysis.from_json(found.to_json()) == found
    broken = Finding("a", "head", 1, 2, "b", ("c", "d"), 0.5, math.inf, "keep")
    record = Analysis("size", 0.1, 0.2, 3, (broken,))
    assert Analysis.from_json(record.to_json()) == record
    for old, new, says in (
        ('"layer": 1', '"layer": -1', r"findings\.0\.layer: .*got -1"),
        ('"keep"', '"keeep"', r"findings\.0\.decision: .*'keeep'"),
        ('"version": 1', '"version": 9', "of version 1"),
        ('"index"', '"idnex"', r"findings\.0\.index: Field required"),
    ):
        with pytest.raises(RunError, match=says):
            Analysis.from_json(record.to_json().replace(old, new))
    with pytest.raises(RunError, match="findings"):
        Analysis.from_json(Analysis("size", 0.1, 0.2, 3, ()).to_json())
