"""Removal against least squares on data, one mask at a time, and the loss that is left."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from greenfront.config import SpaceConfig
from greenfront.spaces import Library, Plan, compress, find_space
from greenfront.spaces.factorization import RIDGE
from greenfront.spaces.library import dense_weight
from greenfront.spaces.moments import collect
from greenfront.spaces.reduced import Kept, features
from greenfront.spaces.removal import Removal, pack, removal, unpack
from tests.spaces.models import LENGTH, Batch, build, logits, text_batch
from tests.spaces.structures import structure

UNIT, UNITS, OUT = 3, 4, 5
BATCHES = [text_batch([9, 4, 1], seed=1), text_batch([16, 7], seed=2)]
DOWNS = {
    "bert": "bert.encoder.layer.0.output.dense",
    "albert": "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn_output",
    "gpt2": "transformer.h.0.mlp.c_proj",
}


def problem(seed: int) -> tuple[Tensor, Tensor, Tensor, Removal]:
    """A weight (O x I), centred inputs (N x I) with a ridge as further rows, gradients' moment, and its removal."""
    generator = torch.Generator().manual_seed(seed)
    count = UNIT * UNITS
    mixing, shift = torch.randn(2, count, count, generator=generator, dtype=torch.float64)
    inputs = torch.randn(200, count, generator=generator, dtype=torch.float64) @ mixing + shift[0]
    weight = torch.randn(OUT, count, generator=generator, dtype=torch.float64)
    slopes = torch.randn(40, OUT, generator=generator, dtype=torch.float64)
    masks = torch.randn(50, count, generator=generator)
    mean = inputs.mean(0)
    centred = inputs - mean
    moment = centred.T @ centred / 200
    found = removal(weight, moment, mean, slopes.T @ slopes / 40, masks, UNIT, "fisher")
    ridge = (200 * RIDGE * moment.diagonal().mean()).sqrt() * torch.eye(count, dtype=torch.float64)
    return weight, torch.cat([centred, ridge]), slopes.T @ slopes / 40, found


@given(st.integers(0, 10_000), st.integers(1, UNITS))
@settings(max_examples=40, deadline=None)
def test_weights_that_stay_are_those_of_least_squares(seed: int, kept: int) -> None:
    weight, inputs, gradients, found = problem(seed)
    chosen = features(found.order[:kept], UNIT, UNITS)
    expected = torch.linalg.lstsq(inputs[:, chosen], inputs @ weight.T).solution.T
    fast = found.reconstruct(weight, kept)
    torch.testing.assert_close(fast.double(), expected, rtol=1e-3, atol=1e-3)
    for own in (found.reconstruct_own(weight, kept), replace(found, weighted=None).reconstruct_own(weight, kept)):
        torch.testing.assert_close(own.double(), expected, rtol=1e-3, atol=1e-3)
    error = inputs @ weight.T - inputs[:, chosen] @ expected.T
    loss = 0.5 * (gradients * (error.T @ error / 200)).sum()
    torch.testing.assert_close(found.removal_loss[kept], loss, rtol=1e-6, atol=1e-9)


def test_loss_falls_with_every_unit_kept_and_ends_at_zero() -> None:
    loss = problem(0)[3].removal_loss
    assert loss.shape == (UNITS + 1,)
    assert (loss.diff() < 0).all()
    assert loss[-1] == 0


@pytest.mark.parametrize(("importance", "order"), [("fisher", [1, 0, 2]), ("michel", [0, 1, 2])])
def test_units_are_sorted_by_importance(importance: str, order: list[int]) -> None:
    """Fisher squares each example's gradient, so that one large one counts more than many small ones."""
    of_units = torch.tensor([[1.0, 0.0, 0.1], [-1.0, 0.0, 0.1], [1.0, 2.5, 0.1]])
    masks = torch.stack([of_units - 5, torch.full((3, 3), 5.0)], dim=2).flatten(1)  # two inputs a unit
    eye = torch.eye(6)
    found = removal(torch.randn(4, 6), eye, torch.zeros(6), torch.eye(4), masks, 2, importance)
    assert found.order.tolist() == order


@given(st.integers(1, 9), st.integers(0, 1000))
@settings(deadline=None)
def test_packing_keeps_a_triangle_in_half_the_room(size: int, seed: int) -> None:
    lower = torch.randn(size, size, generator=torch.Generator().manual_seed(seed)).tril()
    packed = pack(lower)
    even = size + size % 2
    assert packed.numel() == even * (even + 1) // 2
    assert torch.equal(unpack(packed).tril()[:size, :size], lower)


def naive_mask_gradients(name: str, batches: list[Batch], seed: int) -> Tensor:
    """Every example alone, cut to its tokens, with a mask of ones to differentiate by."""
    model, generator, found = build(name), torch.Generator().manual_seed(seed), []
    module = model.get_submodule(DOWNS[name])
    for batch in batches:
        labels = torch.multinomial(logits(model, batch).softmax(-1), 1, generator=generator)
        for row, label in enumerate(labels):
            length = int(batch["attention_mask"][row].sum())
            mask = torch.ones(dense_weight(module).shape[1], requires_grad=True)

            def times(_: nn.Module, arguments: tuple[Tensor], mask: Tensor = mask) -> tuple[Tensor]:
                return (arguments[0] * mask,)

            with module.register_forward_pre_hook(times):
                answer = model(**{key: tensor[row : row + 1, :length] for key, tensor in batch.items()})
            torch.autograd.backward(F.cross_entropy(answer.logits, label))
            assert mask.grad is not None
            found.append(mask.grad)
    return torch.stack(found)


@pytest.mark.parametrize("name", DOWNS)
def test_mask_gradients_are_those_of_each_example_alone(name: str) -> None:
    expected = naive_mask_gradients(name, BATCHES, seed=5)
    found = collect(build(name), [DOWNS[name]], BATCHES, seed=5, masked=[DOWNS[name]])[DOWNS[name]].mask_gradients
    assert found is not None
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_nobody_who_does_not_ask_gets_mask_gradients() -> None:
    assert collect(build("bert"), [DOWNS["bert"]], BATCHES, seed=5)[DOWNS["bert"]].mask_gradients is None


@pytest.mark.parametrize("name", ["bert", "albert", "gpt2"])
def test_the_bias_keeps_the_mean_output(name: str) -> None:
    """On the calibration data, dense and in two factors alike."""
    model, batch = build(name), text_batch([16] * 4, seed=3)
    config = SpaceConfig.model_validate({"methods": ["width", "low_rank"], "low_rank": {"align": 4}})
    space = find_space(model, config, LENGTH)
    library = Library.compute(model, [batch], space, config)
    choice = next(c for c in space.choices if any(r.path == DOWNS[name] for r in c.reduces))
    found = library.removal(choice.site.path)
    seen: list[Tensor] = []
    module = model.get_submodule(DOWNS[name])
    with module.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0])):
        logits(model, batch)
    inputs = torch.cat(seen)
    reads = inputs[..., found.order[:32]]
    for settings_of in ({}, {"rank": 8}):
        plan = Plan({choice.site.path: {"width": 32}, DOWNS[name]: settings_of})
        changed = compress(model, plan, library).get_submodule(DOWNS[name])
        with torch.no_grad():
            before, after = module(inputs), changed(reads)
        torch.testing.assert_close(after.mean((0, 1)), before.mean((0, 1)), rtol=1e-3, atol=1e-4)
        assert (after - before).abs().max() > 1e-3


def test_factors_of_what_is_left_are_slices_and_least_squares() -> None:
    """Rows of `up`; `down` on fewer inputs, as close as least squares brings the codes."""
    ready = structure("bert")
    down, up = DOWNS["bert"], "bert.encoder.layer.0.intermediate.dense"
    found, whole = ready.library.removal(up), ready.library.factors(down, 4)
    left = ready.library.factors(down, 4, Kept(site=up, units=24))
    assert torch.equal(left.up, whole.up)
    torch.testing.assert_close(left.down, found.reconstruct(whole.down, 24))
    rows = found.order[:24]
    sliced, whole = ready.library.factors(up, 4, Kept(rows=rows)), ready.library.factors(up, 4)
    assert torch.equal(sliced.up, whole.up[rows])
    assert torch.equal(sliced.down, whole.down)
    assert torch.equal(sliced.bias, whole.bias[rows])


def test_the_library_keeps_removals_on_disk() -> None:
    library = structure("bert").library
    again = Library.from_tensors(library.tensors())
    assert again.tensors().keys() == library.tensors().keys()
    before = {name: tensor for name, tensor in library.tensors().items() if not name.endswith("/weighted")}
    assert len(before) < len(library.tensors())
    assert Library.from_tensors(before).tensors().keys() == before.keys()  # of an earlier version
    path = "bert.encoder.layer.1.attention.self"
    assert torch.equal(again.removal(path).order, library.removal(path).order)
    assert (
        again.loss(path, {"heads": 2})
        == library.loss(path, {"heads": 2})
        == float(library.removal(path).removal_loss[2])
    )
