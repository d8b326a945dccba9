"""Heads: the contract, which heads go, what is left of the others, what is refused."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.errors import ConfigError, PlanError
from greenfront.spaces import METHODS, Library, Method, Plan, compress, find_space
from greenfront.spaces.layouts import attention_layout, output_path
from greenfront.spaces.sites import attention_sites
from tests.spaces.architectures import bart, deberta, t5
from tests.spaces.method_contract import MethodContract, parameters
from tests.spaces.models import LENGTH, batch_for, build, logits, prepared
from tests.spaces.structures import STRUCTURES, masked, structure

ATTENTION = "bert.encoder.layer.0.attention.self"


def heads(**options: Any) -> SpaceConfig:
    return SpaceConfig.model_validate({"methods": ["heads"], "heads": options})


class TestContract(MethodContract):
    method: ClassVar[Method] = METHODS["heads"]
    models: ClassVar[tuple[str, ...]] = ("bert", "albert", "gpt2", "vit")
    config: ClassVar[SpaceConfig] = heads()


@pytest.mark.parametrize("name", STRUCTURES)
def test_without_a_library_heads_are_as_if_they_gave_zeros(name: str) -> None:
    """The first stay, and nothing makes up for the others."""
    model, batch = structure(name).model, batch_for(name)
    plan, masks = {}, {}
    for site, module in attention_sites(model):
        layout = attention_layout(site.path, module)
        assert not isinstance(layout, str)
        plan[site.path] = {"heads": layout.heads - 1}
        features = torch.arange(layout.heads * layout.unit)
        masks[output_path(site.path, layout)] = features < (layout.heads - 1) * layout.unit
    with masked(model, masks):
        expected = logits(model, batch)
    torch.testing.assert_close(logits(compress(model, Plan(plan)), batch), expected, rtol=1e-4, atol=1e-5)
    assert (expected - logits(model, batch)).abs().max() > 1e-4


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama"])
def test_the_least_important_heads_go(name: str) -> None:
    """Heads that give zeros matter least, and without them the model answers as before."""
    model, batch = structure(name).model, batch_for(name)
    model = compress(model, Plan())
    space = find_space(model, heads(), LENGTH)
    choice = space.choices[-1]
    read = next(reduction for reduction in choice.reduces if reduction.side == "in")
    weight = model.get_parameter(f"{read.path}.weight")
    with torch.no_grad():  # the output reads nothing of the first head
        (weight if name == "gpt2" else weight.T)[: read.unit] = 0
    library = Library.compute(model, [batch_for(name, seed=seed) for seed in range(1, 4)], space, heads())
    removal = library.removal(choice.site.path)
    assert removal.order[-1] == 0
    count = len(removal.order) - 1
    changed = compress(model, Plan({choice.site.path: {"heads": count}}), library)
    torch.testing.assert_close(logits(changed, batch), logits(model, batch), rtol=1e-3, atol=1e-4)


def test_the_library_sorts_by_either_importance() -> None:
    model = build("bert")
    batches = [batch_for("bert", seed=seed) for seed in range(1, 4)]
    orders = []
    for importance in ("fisher", "michel"):
        config = heads(importance=importance)
        space = find_space(model, config, LENGTH)
        library = Library.compute(model, batches, space, config)
        orders.append([library.removal(choice.site.path).order.tolist() for choice in space.choices])
    assert orders[0] != orders[1]
    assert all(sorted(order) == list(range(4)) for several in orders for order in several)


def test_key_heads_go_with_their_queries() -> None:
    model = structure("llama").model
    path = "model.layers.0.self_attn"
    changed = compress(model, Plan({path: {"heads": 1}})).get_submodule(path)
    rows = {name: len(parameter) for name, parameter in changed.named_parameters()}
    assert rows == {"q_proj.weight": 16, "k_proj.weight": 8, "v_proj.weight": 8, "o_proj.weight": 32}
    assert changed.num_key_value_groups == 2


def test_every_number_of_heads_is_offered_or_those_asked_for() -> None:
    assert [s["heads"] for s in find_space(build("bert"), heads(), LENGTH).choices[0].settings] == [1, 2, 3]
    found = find_space(build("bert"), heads(counts=[3, 1, 2]), LENGTH)
    assert [s["heads"] for s in found.choices[0].settings] == [1, 2, 3]
    with pytest.raises(ConfigError, match=r"space\.heads\.counts.*below.*4 here, but got 4"):
        find_space(build("bert"), heads(counts=[2, 4]), LENGTH)


@pytest.mark.parametrize(("builder", "reason"), [
    (t5, "position bias of its own for every head"),
    (deberta, "no module that fits"),
])  # fmt: skip
def test_attention_that_does_not_fit_is_refused(builder: Callable[[], PreTrainedModel], reason: str) -> None:
    with pytest.raises(ConfigError, match=f"heads can't be used on .*{reason}"):
        find_space(builder(), heads(), LENGTH)


def test_cross_attention_is_refused_and_left_alone() -> None:
    found = find_space(bart(), heads(), LENGTH)
    assert {choice.site.path.split(".")[-1] for choice in found.choices} == {"self_attn"}
    assert [r.reason for r in found.refusals if "encoder_attn" in r.path] == [
        "it is cross-attention, whose keys are another sequence"
    ]


def test_linears_of_no_known_arrangement_are_refused() -> None:
    model = build("bert")
    attention = model.get_submodule(ATTENTION)
    attention.gate = torch.nn.Linear(32, 4)
    found = find_space(model, heads(), LENGTH)
    assert [choice.site.path for choice in found.choices] == [ATTENTION.replace("layer.0", "layer.1")]
    assert "query, key, value, gate" in found.refusals[0].reason
    with pytest.raises(PlanError, match=f"{ATTENTION}: heads can't be removed here: .*gate"):
        compress(model, Plan({ATTENTION: {"heads": 2}}))


def test_a_number_of_heads_out_of_range_is_refused() -> None:
    with pytest.raises(PlanError, match=f"{ATTENTION}: heads must be from 1 to 3, but got 4"):
        compress(build("bert"), Plan({ATTENTION: {"heads": 4}}))


def test_a_library_that_does_not_know_the_heads_is_named() -> None:
    with pytest.raises(PlanError, match=f"{ATTENTION}: the library doesn't know the importance"):
        compress(build("bert"), Plan({ATTENTION: {"heads": 2}}), prepared("bert").library)


def test_approximated_attention_with_fewer_heads() -> None:
    ready, batch = structure("bert"), batch_for("bert")
    settings = {"heads": 2, "linformer": 5, "linformer_positions": 16}
    both = compress(ready.model, Plan({ATTENTION: settings}), ready.library)
    one = compress(ready.model, Plan({ATTENTION: {"heads": 2}}), ready.library)
    assert parameters(both) == parameters(one) + 5 * 16
    assert not torch.allclose(logits(both, batch), logits(one, batch))
