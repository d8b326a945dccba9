"""Width: the contract, which neurons go, what is left of the others, what is refused."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.errors import ConfigError, PlanError
from greenfront.spaces import METHODS, Library, Method, Plan, compress, find_space
from tests.spaces.architectures import bart, t5
from tests.spaces.method_contract import MethodContract, parameters
from tests.spaces.models import LENGTH, batch_for, build, logits, text_batch
from tests.spaces.structures import STRUCTURES, masked, structure

UP, DOWN = "bert.encoder.layer.0.intermediate.dense", "bert.encoder.layer.0.output.dense"


def width(**options: Any) -> SpaceConfig:
    return SpaceConfig.model_validate({"methods": ["width"], "width": options})


class TestContract(MethodContract):
    method: ClassVar[Method] = METHODS["width"]
    models: ClassVar[tuple[str, ...]] = ("bert", "albert", "gpt2", "vit")
    config: ClassVar[SpaceConfig] = width()


@pytest.mark.parametrize("name", STRUCTURES)
def test_without_a_library_neurons_are_as_if_they_gave_zeros(name: str) -> None:
    """The first stay, and nothing makes up for the others."""
    model, batch = structure(name).model, batch_for(name)
    space = find_space(model, width(amounts=[24]), LENGTH)
    assert space.choices
    down = [r.path for choice in space.choices for r in choice.reduces if r.side == "in"]
    with masked(model, dict.fromkeys(down, torch.arange(64) < 24)):
        expected = logits(model, batch)
    changed = compress(model, space.plan([0] * len(space.choices)))
    torch.testing.assert_close(logits(changed, batch), expected, rtol=1e-4, atol=1e-5)
    assert (expected - logits(model, batch)).abs().max() > 1e-4


@pytest.mark.parametrize("name", ["bert", "albert", "gpt2", "llama", "modernbert"])
def test_a_neuron_that_repeats_another_is_made_up_for(name: str) -> None:
    """The last copies the one before it and is read faintly, so that it goes: the other takes over."""
    model, batch = compress(structure(name).model, Plan()), batch_for(name)
    space = find_space(model, width(amounts=[63]), LENGTH)
    masks = {}
    with torch.no_grad():
        for reduction in (reduction for choice in space.choices for reduction in choice.reduces):
            for parameter in model.get_submodule(reduction.path).parameters():
                # Rows are features of the outputs, columns those of the inputs.
                rows = parameter.T if name == "gpt2" and parameter.dim() == 2 else parameter
                if reduction.side == "out":
                    rows += 2 if parameter.dim() == 1 else 0  # no neuron sleeps, and is less important still
                    rows[63::64] = rows[62::64]
                elif parameter.dim() == 2:
                    rows[:, 63] *= 0.02
                    masks[reduction.path] = torch.arange(64) < 63
    batches = [batch_for(name, seed=seed) for seed in range(1, 6)]
    library = Library.compute(model, batches, space, width())
    assert all(library.removal(choice.site.path).order[-1] == 63 for choice in space.choices)
    original, plan = logits(model, batch), space.plan([0] * len(space.choices))
    error = (logits(compress(model, plan, library), batch) - original).abs().max()
    with masked(model, masks):
        unmade = (logits(model, batch) - original).abs().max()
    assert error < 0.05 * unmade


def test_eighths_are_offered_or_the_widths_asked_for() -> None:
    def offered(**options: Any) -> list[object]:
        return [
            settings["width"] for settings in find_space(build("bert"), width(**options), LENGTH).choices[0].settings
        ]

    assert offered() == [16, 32, 48]
    assert offered(align=8) == [8, 16, 24, 32, 40, 48, 56]
    assert offered(amounts=[40, 10]) == [10, 40]
    with pytest.raises(ConfigError, match=r"space\.width\.amounts.*below.*64 here, but got 64"):
        offered(amounts=[32, 64])


def test_gates_go_with_their_neurons() -> None:
    path = "model.layers.0.mlp"
    changed = compress(structure("llama").model, Plan({f"{path}.up_proj": {"width": 16}})).get_submodule(path)
    shapes = {name: tuple(parameter.shape) for name, parameter in changed.named_parameters()}
    assert shapes == {"gate_proj.weight": (16, 32), "up_proj.weight": (16, 32), "down_proj.weight": (32, 16)}


def test_a_feed_forward_block_of_t5_is_known() -> None:
    paths = [choice.site.path for choice in find_space(t5(), width(), LENGTH).choices]
    assert paths == [
        "transformer.encoder.block.0.layer.1.DenseReluDense.wi", "transformer.decoder.block.0.layer.2.DenseReluDense.wi"
    ]  # fmt: skip


@pytest.mark.parametrize("builder", [t5, bart])
def test_models_of_encoder_and_decoder_get_narrower_in_both(builder: Callable[[], PreTrainedModel]) -> None:
    model, batch = builder().train(False), text_batch([16, 9])
    batch["input_ids"][0, -1] = batch["input_ids"][1, 8] = 2  # the end of a text, where they classify
    space = find_space(model, width(), LENGTH)
    assert len(space.choices) == 2
    plan = space.plan([0, 1])
    library = Library.compute(model, [batch], space, width())
    changed = compress(model, plan, library)
    assert parameters(changed) < parameters(model)
    assert logits(changed, batch).isfinite().all()


@pytest.mark.parametrize("path", ["bert.encoder.layer.0.attention.self.query", DOWN])
def test_other_linears_are_refused(path: str) -> None:
    with pytest.raises(PlanError, match=f"{path}: width must be set on the up-projection"):
        compress(build("bert"), Plan({path: {"width": 16}}))


def test_a_width_out_of_range_is_refused() -> None:
    with pytest.raises(PlanError, match=f"{UP}: width must be from 1 to 63, but got 64"):
        compress(build("bert"), Plan({UP: {"width": 64}}))
    path = "model.layers.0.mlp.Wi"
    with pytest.raises(PlanError, match=f"{path}: width must be from 1 to 63, but got 64"):
        compress(structure("modernbert").model, Plan({path: {"width": 64}}))
