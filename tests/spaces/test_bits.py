"""Bits: the contract, what is offered and refused, ranks with bits, training before rounding."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForSequenceClassification, PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.errors import ConfigError, PlanError
from greenfront.spaces import (
    METHODS,
    Method,
    Plan,
    apply_to_module,
    complete,
    compress,
    find_space,
    load_checkpoint,
    plan_of,
    save_checkpoint,
    weight_bytes,
)
from greenfront.spaces.modules import LowRankEmbedding, LowRankLinear
from greenfront.spaces.plan import Value
from greenfront.spaces.quantized import BFloat16Linear, QuantizedEmbedding, QuantizedLinear, WeightOnlyLinear
from tests.spaces.architectures import t5, tied_bert, tied_gpt2
from tests.spaces.method_contract import MethodContract
from tests.spaces.models import LENGTH, SIZES, batch_for, bert, build, logits, prepared, randomized, text_batch

QUERY, TABLE = "bert.encoder.layer.0.attention.self.query", "bert.embeddings.word_embeddings"
MODELS = ("bert", "roberta", "albert", "gpt2", "vit")


class TestContract(MethodContract):
    method: ClassVar[Method] = METHODS["bits"]
    models: ClassVar[tuple[str, ...]] = MODELS
    config: ClassVar[SpaceConfig] = SpaceConfig(methods=("bits",), bits=(16, 8))
    out_of_range: ClassVar[tuple[Value, ...]] = (0, 4, 32, 8.0, 16.0, "8", "16w")


class TestWeightsAlone(MethodContract):
    method: ClassVar[Method] = METHODS["bits"]
    models: ClassVar[tuple[str, ...]] = ("bert", "gpt2", "vit")
    config: ClassVar[SpaceConfig] = SpaceConfig(methods=("bits",), bits=("8w",))


class TestHalves(MethodContract):
    method: ClassVar[Method] = METHODS["bits"]
    models: ClassVar[tuple[str, ...]] = ("bert", "vit")
    config: ClassVar[SpaceConfig] = SpaceConfig(methods=("bits",), bits=(16,))


def offered(model: PreTrainedModel, **options: Any) -> dict[str, list[Any]]:
    space = find_space(model, SpaceConfig.model_validate({"methods": ["bits"], **options}), LENGTH)
    return {choice.site.path: [settings["bits"] for settings in choice.settings] for choice in space.choices}


def llama() -> PreTrainedModel:
    """No biases, and norms behind the linears: the first parameters of a decoder are those that get rounded."""
    sizes = {key: SIZES[key] for key in SIZES if key not in ("num_labels", "initializer_range")}
    config = LlamaConfig(**sizes, num_key_value_heads=2)
    config.num_labels = 3
    return LlamaForSequenceClassification(config)


# what is offered


def test_linears_have_eight_bits_by_default_all_formats_by_name_and_the_table_eight_bits() -> None:
    model = build("bert")
    linears = {path for path, module in model.named_modules() if isinstance(module, nn.Linear) and ".layer." in path}
    assert offered(model) == {TABLE: [8], **{path: [8] for path in linears}}
    assert offered(model, bits=[16, "8w", 8]) == {TABLE: [8], **{path: [8, "8w", 16] for path in linears}}


def test_formats_asked_for_stand_cheapest_first() -> None:
    found = offered(build("bert"), bits=[16, "8w"])
    assert found[QUERY] == ["8w", 16]
    assert TABLE not in found


def test_beside_ranks_they_are_a_choice_of_their_own() -> None:
    config = SpaceConfig.model_validate({"methods": ["low_rank", "bits"], "low_rank": {"ranks": [4]}, "bits": [8]})
    space = find_space(build("bert"), config, LENGTH)
    assert {choice.name for choice in space.choices if choice.site.path == QUERY} == {
        f"{QUERY}:low_rank", f"{QUERY}:bits"
    }  # fmt: skip
    plan = space.plan([0] * len(space.choices))
    assert plan[QUERY] == {"rank": 4, "bits": 8}
    assert space.plan(space.indices(plan)) == plan


# what is refused


@pytest.mark.parametrize("builder", [tied_bert, tied_gpt2, t5])
def test_a_tied_table_is_refused_by_name(builder: Callable[[], PreTrainedModel]) -> None:
    model = builder()
    found = find_space(model, SpaceConfig(methods=("bits",)), LENGTH)
    assert all(choice.site.kind == "linear" for choice in found.choices)
    (refusal,) = found.refusals
    assert model.get_submodule(refusal.path) is model.get_input_embeddings()
    assert refusal.reason == "another layer is tied to its weight"


def test_a_tied_linear_is_refused_by_name() -> None:
    model = build("bert")
    one, other = (model.get_submodule(f"bert.encoder.layer.{layer}.output.dense") for layer in range(2))
    one.weight = other.weight
    found = find_space(model, SpaceConfig(methods=("bits",)), LENGTH)
    assert {refusal.path for refusal in found.refusals if "tied" in refusal.reason} == {
        "bert.encoder.layer.0.output.dense", "bert.encoder.layer.1.output.dense"
    }  # fmt: skip


def test_a_module_at_several_places_is_not_tied() -> None:
    assert not [refusal for refusal in prepared("albert", TestContract.config).space.refusals if refusal.path]


def test_other_numbers_than_float32_are_refused() -> None:
    model = bert().bfloat16()
    with pytest.raises(ConfigError, match=r"bits can't be used on Bert.*its weight is torch\.bfloat16, not float32"):
        find_space(model, SpaceConfig(methods=("bits",)), LENGTH)
    with pytest.raises(PlanError, match=f"{QUERY}: bits must be set on weights of float32.*bfloat16"):
        compress(model, Plan({QUERY: {"bits": 8}}))


@pytest.mark.parametrize("bits", ["8w", 16])
def test_a_table_takes_eight_bits_alone(bits: Value) -> None:
    with pytest.raises(PlanError, match=f"{TABLE}: bits must be one of 8, but got {bits!r}"):
        compress(build("bert"), Plan({TABLE: {"bits": bits}}))


# what is built


@pytest.mark.parametrize(("bits", "kind"), [(8, QuantizedLinear), ("8w", WeightOnlyLinear), (16, BFloat16Linear)])
def test_both_factors_are_rounded(bits: Value, kind: type[nn.Module]) -> None:
    ready = prepared("bert")
    plan = Plan({QUERY: {"rank": 4, "bits": bits}})
    float_factors = compress(ready.model, Plan({QUERY: {"rank": 4}}), ready.library).get_submodule(QUERY)
    alone = apply_to_module(QUERY, ready.model.get_submodule(QUERY), plan[QUERY], ready.library)
    for built in (alone, compress(ready.model, plan, ready.library).get_submodule(QUERY)):
        assert isinstance(built, LowRankLinear)
        assert isinstance(built.down, kind)
        assert isinstance(built.up, kind)
        assert isinstance(float_factors, LowRankLinear)
        torch.testing.assert_close(built.weight, float_factors.weight, rtol=0.05, atol=0.05)
        assert built.bias is not None
        torch.testing.assert_close(built.bias, float_factors.bias)
        inputs = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(built(inputs), float_factors(inputs), rtol=0.1, atol=0.2)


def test_both_factors_of_a_table_are_rounded() -> None:
    ready = prepared("bert")
    built = compress(ready.model, Plan({TABLE: {"rank": 8, "bits": 8}}), ready.library).get_submodule(TABLE)
    assert isinstance(built, LowRankEmbedding)
    assert isinstance(built.table, QuantizedEmbedding)
    assert isinstance(built.up, QuantizedLinear)
    in_floats = compress(ready.model, Plan({TABLE: {"rank": 8}}), ready.library).get_submodule(TABLE)
    ids = torch.tensor([[4, 99, 0]])
    torch.testing.assert_close(built(ids), in_floats(ids), rtol=0.1, atol=0.1)


def test_settings_are_checked_against_the_module_that_is_there() -> None:
    module = build("bert").get_submodule(QUERY)
    with pytest.raises(PlanError, match=f"{QUERY}: bits must be one of 8, 8w, 16, but got 3"):
        apply_to_module(QUERY, module, {"rank": 4, "bits": 3})
    with pytest.raises(PlanError, match="break-even"):
        apply_to_module(QUERY, module, {"rank": 40, "bits": 8})


def test_the_original_keeps_its_weights() -> None:
    ready = prepared("bert", TestContract.config)
    plan = ready.space.plan([0] * len(ready.space.choices))
    built = compress(ready.model, plan)
    before = logits(ready.model, batch_for("bert"))
    with torch.no_grad():
        for parameter in built.parameters():
            if parameter.requires_grad:
                parameter.zero_()
    assert built.get_submodule(QUERY).bias is not ready.model.get_submodule(QUERY).bias
    shared = {id(p) for p in ready.model.get_submodule(QUERY).parameters()} & {id(p) for p in built.parameters()}
    assert not shared
    torch.testing.assert_close(logits(ready.model, batch_for("bert")), before)


# training comes first


def test_a_candidate_to_train_is_completed_afterwards() -> None:
    ready = prepared("bert")
    plan = Plan({QUERY: {"rank": 4, "bits": 8}, TABLE: {"bits": 8}, "bert.encoder.layer.1.output.dense": {"bits": 16}})
    model = compress(ready.model, plan, ready.library, to_train=True)
    assert not [module for module in model.modules() if isinstance(module, QuantizedLinear | QuantizedEmbedding)]
    assert plan_of(model) == plan
    before = {name: parameter.clone() for name, parameter in ready.model.named_parameters()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.25)
    assert all(torch.equal(parameter, before[name]) for name, parameter in ready.model.named_parameters())
    floats = {name: parameter.clone() for name, parameter in model.named_parameters()}
    complete(model)
    assert plan_of(model) == plan
    assert {n: p.shape for n, p in model.state_dict().items()} == {
        n: p.shape for n, p in compress(ready.model, plan).state_dict().items()
    }
    up = model.get_submodule(f"{QUERY}.up")
    assert isinstance(up, QuantizedLinear)
    torch.testing.assert_close(up.weight, floats[f"{QUERY}.up.weight"], rtol=0, atol=0.01)
    assert not model.training


def test_a_plan_without_bits_is_complete_as_it_is() -> None:
    ready = prepared("bert")
    model = compress(ready.model, Plan({QUERY: {"rank": 4}}), ready.library, to_train=True)
    modules = list(model.modules())
    complete(model)
    assert all(one is other for one, other in zip(modules, model.modules(), strict=True))


def test_a_module_at_several_places_is_replaced_at_each() -> None:
    """ALBERT calls one block for every layer."""
    ready = prepared("albert", TestContract.config)
    path = next(choice.site.path for choice in ready.space.choices if choice.site.kind == "linear")
    model = compress(ready.model, Plan({path: {"rank": 4, "bits": 8}}), to_train=True)
    complete(model)
    assert logits(model, batch_for("albert")).isfinite().all()


# what is written


@pytest.mark.parametrize(("bits", "share"), [(8, 0.27), ("8w", 0.27), (16, 0.52)])
def test_the_file_shrinks(bits: Value, share: float, tmp_path: Path) -> None:
    model = randomized(bert(hidden_size=128, intermediate_size=512, vocab_size=10))
    paths = [path for path, module in model.named_modules() if isinstance(module, nn.Linear) and ".layer." in path]
    weights = sum(model.state_dict()[f"{path}.weight"].numel() for path in paths)
    save_checkpoint(model, tmp_path / "before")
    save_checkpoint(compress(model, Plan({path: {"bits": bits} for path in paths})), tmp_path / "after")
    saved = weight_bytes(tmp_path / "before") - weight_bytes(tmp_path / "after")
    assert saved > (1 - share) * 4 * weights


def test_a_decoder_whose_first_parameters_are_rounded_loads_as_it_was(tmp_path: Path) -> None:
    model = randomized(llama())
    paths = [path for path, module in model.named_modules() if isinstance(module, nn.Linear) and ".layers." in path]
    plan = Plan({"model.embed_tokens": {"bits": 8}, **{path: {"bits": 16} for path in paths}})
    built = compress(model, plan)
    save_checkpoint(built, tmp_path / "saved")
    loaded = load_checkpoint(tmp_path / "saved")
    assert {n: t.dtype for n, t in loaded.state_dict().items()} == {n: t.dtype for n, t in built.state_dict().items()}
    batch = text_batch([16, 9])
    torch.testing.assert_close(logits(loaded, batch), logits(built, batch))
