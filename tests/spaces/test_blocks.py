"""Blocks: the contract, what passes where a block goes, what is refused."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.errors import ConfigError, PlanError
from greenfront.spaces import METHODS, Choice, Method, Plan, compress, find_space
from greenfront.spaces.plan import Value
from tests.spaces.architectures import bart, deberta, t5
from tests.spaces.method_contract import MethodContract, flops, parameters
from tests.spaces.models import LENGTH, Prepared, batch_for, build, logits, prepared
from tests.spaces.structures import STRUCTURES, structure

CONFIG = SpaceConfig(methods=("blocks",))
LAYERS = {
    "bert": "bert.encoder.layer.{}", "roberta": "roberta.encoder.layer.{}", "electra": "electra.encoder.layer.{}",
    "distilbert": "distilbert.transformer.layer.{}", "vit": "vit.layers.{}", "gpt2": "transformer.h.{}",
    "llama": "model.layers.{}", "modernbert": "model.layers.{}",
}  # fmt: skip
# The module whose output is added to the residual stream.
BRANCHES = {
    "bert": ("attention.output.dense", "output.dense"), "roberta": ("attention.output.dense", "output.dense"),
    "electra": ("attention.output.dense", "output.dense"), "distilbert": ("attention.out_lin", "ffn.lin2"),
    "vit": ("attention.o_proj", "mlp.fc2"), "gpt2": ("attn.c_proj", "mlp.c_proj"),
    "llama": ("self_attn.o_proj", "mlp.down_proj"), "modernbert": ("attn.Wo", "mlp.Wo"),
}  # fmt: skip


class TestContract(MethodContract):
    method: ClassVar[Method] = METHODS["blocks"]
    models: ClassVar[tuple[str, ...]] = ("bert", "gpt2", "vit")
    config: ClassVar[SpaceConfig] = CONFIG
    out_of_range: ClassVar[tuple[Value, ...]] = (0, 1, "block", "layers")

    def whole_plan(self, model_name: str) -> tuple[Prepared, Plan]:
        """One block of each layer: with all layers gone nothing would be left to train."""
        ready = prepared(model_name, self.config)
        skipped = ("feed_forward", "attention")
        return ready, Plan({c.site.path: {"skip": s} for c, s in zip(ready.space.choices, skipped, strict=True)})


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("skipped", [0, 1])
def test_a_skipped_block_is_as_if_it_gave_zeros(name: str, skipped: int) -> None:
    model, batch, layer = structure(name).model, batch_for(name), LAYERS[name].format(1)
    branch = model.get_submodule(f"{layer}.{BRANCHES[name][skipped]}")

    def zeros(_: nn.Module, __: object, output: Tensor) -> Tensor:
        return torch.zeros_like(output)

    with branch.register_forward_hook(zeros):
        expected = logits(model, batch)
    changed = compress(model, Plan({layer: {"skip": ("attention", "feed_forward")[skipped]}}))
    torch.testing.assert_close(logits(changed, batch), expected, rtol=1e-5, atol=1e-5)
    assert (expected - logits(model, batch)).abs().max() > 1e-4
    assert parameters(changed) < parameters(model)
    assert flops(changed, name) < flops(model, name)


@pytest.mark.parametrize("name", LAYERS)
def test_a_skipped_layer_passes_its_inputs(name: str) -> None:
    model, batch, layer = structure(name).model, batch_for(name), LAYERS[name].format(1)

    def passing(_: nn.Module, arguments: tuple[Tensor, ...], __: Tensor) -> Tensor:
        return arguments[0]

    with model.get_submodule(layer).register_forward_hook(passing):
        expected = logits(model, batch)
    changed = compress(model, Plan({layer: {"skip": "layer"}}))
    torch.testing.assert_close(logits(changed, batch), expected)
    gone = sum(parameter.numel() for parameter in model.get_submodule(layer).parameters())
    assert parameters(changed) == parameters(model) - gone


@pytest.mark.parametrize("name", [name for name in STRUCTURES if name != "albert"])
def test_every_layer_of_a_model_may_go(name: str) -> None:
    model = structure(name).model
    if name in ("gpt2", "llama"):
        assert [s["skip"] for s in find_space(model, CONFIG, LENGTH).choices[0].settings] == ["feed_forward"]
    else:
        plan = Plan({LAYERS[name].format(i): {"skip": "layer"} for i in (0, 1)})
        assert logits(compress(model, plan), batch_for(name)).isfinite().all()


def test_the_first_attention_of_a_causal_model_stays() -> None:
    path = LAYERS["gpt2"].format(0)
    with pytest.raises(PlanError, match=f"{path}: skip must be feed_forward in the first layer.*got 'layer'"):
        compress(build("gpt2"), Plan({path: {"skip": "layer"}}))


def test_generation_with_a_cache_is_as_without() -> None:
    changed: Any = compress(build("gpt2"), Plan({LAYERS["gpt2"].format(1): {"skip": "layer"}})).transformer
    ids = batch_for("gpt2")["input_ids"][:1]
    with torch.no_grad():
        whole = changed(ids).last_hidden_state
        start = changed(ids[:, :9], use_cache=True)
        rest = changed(ids[:, 9:], past_key_values=start.past_key_values, use_cache=True).last_hidden_state
    torch.testing.assert_close(rest, whole[:, 9:], rtol=1e-4, atol=1e-4)


def test_norms_that_follow_stay_and_norms_in_front_go() -> None:
    def norms(model: PreTrainedModel) -> int:
        return sum(isinstance(module, nn.LayerNorm) for module in model.modules())

    for name, lost in (("bert", 0), ("distilbert", 0), ("vit", 1), ("gpt2", 1)):
        model = structure(name).model
        assert norms(compress(model, Plan({LAYERS[name].format(1): {"skip": "attention"}}))) == norms(model) - lost


def test_cheapest_first_and_named_by_their_sizes() -> None:
    choice: Choice = find_space(build("bert"), CONFIG, LENGTH).choices[0]
    assert choice.site.kind == "layer"
    assert choice.site.shape == (4 * 32 * 33, 64 * 33 + 32 * 65)
    assert [settings["skip"] for settings in choice.settings] == ["layer", "attention", "feed_forward"]


@pytest.mark.parametrize(("builder", "reason"), [
    (STRUCTURES["albert"], "it serves as several layers, which share its weights"),
    (bart, "BartEncoderLayer is no layer of a known form"),
    (t5, "T5Block is no layer of a known form"),
])  # fmt: skip
def test_layers_that_do_not_fit_are_refused(builder: Callable[[], PreTrainedModel], reason: str) -> None:
    with pytest.raises(ConfigError, match=f"blocks can't be used on .*: {reason}"):
        find_space(builder(), CONFIG, LENGTH)


@pytest.mark.parametrize(("builder", "path", "reason"), [
    (bart, "model.encoder.layers.0", "BartEncoderLayer is no layer of a known form"),
    (deberta, "deberta.encoder.layer.0", "DebertaV2Layer has no attention that calls Transformers' hook"),
])  # fmt: skip
def test_a_plan_for_a_layer_that_does_not_fit_is_refused(
    builder: Callable[[], PreTrainedModel], path: str, reason: str
) -> None:
    with pytest.raises(PlanError, match=f"{path}: skip must be set on a layer: {reason}"):
        compress(builder(), Plan({path: {"skip": "layer"}}))
