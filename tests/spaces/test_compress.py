"""Applying a Plan: the original untouched, every architecture right, wrong Plans named."""

import copy

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from greenfront.config import SpaceConfig
from greenfront.errors import ConfigError, PlanError
from greenfront.spaces import Library, Plan, apply_to_module, compress, find_space, plan_of
from greenfront.spaces.modules import LowRankEmbedding, LowRankLinear
from tests.spaces.method_contract import assert_same_state, state
from tests.spaces.models import BUILDERS, CONFIG, LENGTH, batch_for, build, logits, prepared, space_of

QUERY = "bert.encoder.layer.0.attention.self.query"
ATTENTION = "bert.encoder.layer.1.attention.self"
MIXED = Plan({QUERY: {"rank": 8}, ATTENTION: {"linformer": 5, "linformer_positions": 16},
              "bert.embeddings.word_embeddings": {"rank": 8}})  # fmt: skip


def truncate(model: PreTrainedModel, rank: int) -> None:
    """Give every linear of the blocks, and the table, weights that really have this rank."""
    with torch.no_grad():
        for choice in space_of(model).choices:
            if choice.method == "low_rank":
                weight = model.get_parameter(f"{choice.site.path}.weight")
                u, s, v = torch.linalg.svd(weight, full_matrices=False)
                weight.copy_(u[:, :rank] * s[:rank] @ v[:rank])


@pytest.mark.parametrize("name", BUILDERS)
def test_weights_of_low_rank_are_reproduced(name: str) -> None:
    """At their own rank and above, the whole model answers as before."""
    model, batch = build(name), batch_for(name)
    truncate(model, 4)
    config = SpaceConfig.model_validate({"methods": ["low_rank"], "low_rank": {"align": 4}})
    space = find_space(model, config, LENGTH)
    library = Library.compute(model, [batch_for(name, seed=seed) for seed in range(1, 4)], space, config)
    for index in (0, -1):  # rank 4, and the highest
        plan = space.plan([range(len(choice.settings))[index] for choice in space.choices])
        changed = compress(model, plan, library)
        torch.testing.assert_close(logits(changed, batch), logits(model, batch), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", BUILDERS)
def test_every_site_of_the_plan_is_changed_and_nothing_else(name: str) -> None:
    ready = prepared(name)
    plan = ready.space.plan([0] * len(ready.space.choices))
    changed = compress(ready.model, plan, ready.library)
    kinds: dict[str, type[nn.Module]] = {"linear": LowRankLinear, "embedding": LowRankEmbedding}
    for site in ready.space.sites:
        module = changed.get_submodule(site.path)
        if site.kind == "attention":
            assert hasattr(module, "approximation")
        else:
            assert type(module) is kinds[site.kind]
    dense = [path for path, module in changed.named_modules() if isinstance(module, nn.Linear | Conv1D)]
    inside = [path for path in dense if path.rpartition(".")[0] not in plan]
    assert not [path for path in inside if any(path == site.path for site in ready.space.sites)]
    before = dict(ready.model.named_parameters())
    for parameter_name, parameter in changed.named_parameters():
        if parameter_name.rpartition(".")[0].rpartition(".")[0] not in plan and "correction" not in parameter_name:
            assert torch.equal(parameter, before[parameter_name]), parameter_name


@pytest.mark.parametrize("name", BUILDERS)
def test_the_original_stays_as_it_is(name: str) -> None:
    ready = prepared(name)
    model = copy.deepcopy(ready.model)
    before, answer, batch = state(model), logits(model, batch_for(name)), batch_for(name)
    types = [(path, type(module)) for path, module in model.named_modules()]
    changed = compress(model, ready.space.plan([0] * len(ready.space.choices)), ready.library)
    with torch.no_grad():  # training the new one must not train the old one
        for parameter in changed.parameters():
            parameter.add_(1.0)
    assert_same_state(model, before)
    assert [(path, type(module)) for path, module in model.named_modules()] == types
    assert torch.equal(logits(model, batch), answer)
    assert model.config._attn_implementation == "sdpa"
    assert getattr(model.config, "quantization_config", None) is None
    assert plan_of(model) == Plan()


@pytest.mark.parametrize("training", [True, False])
def test_mode_and_frozen_weights_are_kept(training: bool) -> None:
    model = build("bert").train(training)
    model.get_submodule("bert.encoder.layer.1").requires_grad_(False)
    changed = compress(model, MIXED)
    assert {module.training for module in changed.modules()} == {training}
    before = dict(model.named_parameters())
    for name, parameter in changed.named_parameters():
        if name in before:
            assert parameter.requires_grad == before[name].requires_grad


def test_a_shared_module_is_changed_once_for_every_layer() -> None:
    model = build("albert")
    assert model.config.num_hidden_layers == 2
    path = "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn"
    changed = compress(model, Plan({path: {"rank": 4}}))
    calls: list[object] = []
    with changed.get_submodule(path).register_forward_hook(lambda *_: calls.append(1)):
        logits(changed, batch_for("albert"))
    assert len(calls) == 2


def test_a_module_at_two_places_is_changed_at_both() -> None:
    model, other = build("bert"), QUERY.replace("layer.0", "layer.1")
    model.set_submodule(other, model.get_submodule(QUERY))
    changed = compress(model, Plan({QUERY: {"rank": 8}}))
    assert isinstance(changed.get_submodule(QUERY), LowRankLinear)
    assert changed.get_submodule(other) is changed.get_submodule(QUERY)


def test_the_plan_stands_in_the_configuration() -> None:
    changed = compress(build("bert"), MIXED)
    assert plan_of(changed) == MIXED
    assert plan_of(copy.deepcopy(changed)) == MIXED


def test_the_empty_plan_is_a_copy() -> None:
    model, batch = build("bert"), batch_for("bert")
    changed = compress(model, Plan())
    assert changed is not model
    assert torch.equal(logits(changed, batch), logits(model, batch))
    assert plan_of(changed) == Plan()


def test_a_compressed_model_takes_no_second_plan() -> None:
    changed = compress(build("bert"), MIXED)
    with pytest.raises(PlanError, match=f"original.*carries {MIXED.id}"):
        compress(changed, Plan({"bert.encoder.layer.1.output.dense": {"rank": 8}}))
    assert plan_of(compress(changed, Plan())) == MIXED


def test_a_module_alone_is_the_module_in_its_model() -> None:
    ready = prepared("bert")
    changed = compress(ready.model, MIXED, ready.library)
    inputs = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(0))
    alone = apply_to_module(QUERY, ready.model.get_submodule(QUERY), MIXED[QUERY], ready.library)
    assert torch.equal(alone(inputs), changed.get_submodule(QUERY)(inputs))
    attention = ready.model.get_submodule(ATTENTION)
    projected = apply_to_module(ATTENTION, attention, MIXED[ATTENTION], ready.library)
    inputs = torch.randn(2, 12, 32, generator=torch.Generator().manual_seed(0))
    expected = changed.get_submodule(ATTENTION)(inputs)[0]
    assert torch.equal(projected(inputs)[0], expected)
    assert not torch.allclose(attention(inputs)[0], expected)
    assert ready.model.config._attn_implementation == "sdpa"


WRONG: list[tuple[Plan, str]] = [
    (Plan({"bert.encoder.layer.0.attention.self.quary": {"rank": 8}}), f"quary.*did you mean {QUERY}"),
    (Plan({"nothing": {"rank": 8}}), "nothing: the model has no such module"),
    (Plan({QUERY: {"rank": 16}}), f"{QUERY}: rank.*break-even of 16, but got 16"),
    (Plan({QUERY: {"rank": "8"}}), f"{QUERY}: rank must be a whole number, but got '8'"),
    (Plan({QUERY: {"ranks": 8}}), f"{QUERY}: settings must be among.*rank.*but got ranks"),
    (Plan({QUERY: {"rank": 8, "speed": 8}}), f"{QUERY}: .*but got speed"),
    (Plan({QUERY: {"rank": 8, "linformer_positions": 8}}), f"{QUERY}: .*but got linformer_positions"),
    (Plan({QUERY: {"linformer_positions": 8}}), f"{QUERY}: settings must carry one of .*rank, linformer"),
    (Plan({QUERY: {"linformer": 4, "linformer_positions": 8}}), f"{QUERY}: linformer.*attention.*Linear"),
    (Plan({ATTENTION: {"rank": 8}}), f"{ATTENTION}: rank.*linear or an embedding.*BertSelfAttention"),
]


@pytest.mark.parametrize(("plan", "message"), WRONG)
def test_a_plan_that_does_not_fit_is_named(plan: Plan, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        compress(prepared("bert").model, plan)


def test_a_library_without_the_module_is_named() -> None:
    ready = prepared("bert")
    library = Library.from_tensors(
        {name: tensor for name, tensor in ready.library.tensors().items() if not name.startswith(QUERY)}
    )
    with pytest.raises(PlanError, match=f"{QUERY}.*no decomposition"):
        compress(ready.model, MIXED, library)


def test_unknown_methods_are_named() -> None:
    with pytest.raises(ConfigError, match=r"space\.methods.*low_rank, embeddings, linformer.*but got lowrank"):
        find_space(build("bert"), SpaceConfig(methods=("low_rank", "lowrank")), LENGTH)


@pytest.mark.parametrize("methods", [("low_rank",), ("linformer",), ("linformer", "low_rank")])
def test_only_the_methods_asked_for_are_offered(methods: tuple[str, ...]) -> None:
    config = CONFIG.model_copy(update={"methods": methods})
    assert {choice.method for choice in find_space(build("bert"), config, LENGTH).choices} == set(methods)
