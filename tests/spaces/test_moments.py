"""Moments against one example and one token at a time."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from greenfront.errors import DataError
from greenfront.spaces.library import dense_weight
from greenfront.spaces.moments import Moments, collect
from tests.spaces.models import VOCABULARY, Batch, build, logits, text_batch

TABLES = {"bert": "bert.embeddings.word_embeddings", "albert": "albert.embeddings.word_embeddings"}
LINEARS = {
    "bert": ["bert.encoder.layer.0.attention.self.query", "bert.encoder.layer.1.output.dense"],
    "albert": ["albert.encoder.albert_layer_groups.0.albert_layers.0.ffn"],
}
QUERY, DENSE = LINEARS["bert"]
BATCHES = [text_batch([9, 4, 1], seed=1), text_batch([16, 7], seed=2)]


def naive_moments(model: PreTrainedModel, path: str, batches: list[Batch], seed: int) -> Moments:
    """Every example alone, cut to its valid tokens, with the labels drawn as `collect` draws them."""
    generator = torch.Generator().manual_seed(seed)
    module = model.get_submodule(path)
    calls: list[tuple[Tensor, Tensor]] = []

    def record(_: nn.Module, arguments: tuple[Tensor], output: Tensor) -> None:
        output.retain_grad()
        calls.append((arguments[0].detach(), output))

    table = isinstance(module, nn.Embedding)
    width = VOCABULARY if table else dense_weight(module).shape[1]
    inputs = torch.zeros(width if table else (width, width), dtype=torch.float64)
    mean, gradients = torch.zeros(width, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    tokens = examples = 0
    for batch in batches:
        labels = torch.multinomial(logits(model, batch).softmax(-1), 1, generator=generator)
        for row, label in enumerate(labels):
            length = int(batch["attention_mask"][row].sum())
            calls.clear()
            with module.register_forward_hook(record):
                answer = model(**{name: tensor[row : row + 1, :length] for name, tensor in batch.items()})
            torch.autograd.backward(F.cross_entropy(answer.logits, label))
            examples += 1
            for seen, output in calls:
                assert output.grad is not None
                for token in range(length):
                    tokens += 1
                    slope = output.grad[0, token].double()
                    gradients = gradients + torch.outer(slope, slope)
                    if table:
                        inputs[seen[0, token]] += 1
                    else:
                        x = seen[0, token].double()
                        inputs += torch.outer(x, x)
                        mean += x
    return Moments(inputs / tokens, mean / tokens, gradients / examples, tokens)


@pytest.mark.parametrize(
    ("name", "path"), [(name, path) for name in LINEARS for path in [*LINEARS[name], TABLES[name]]]
)
def test_moments_are_those_of_each_token_alone(name: str, path: str) -> None:
    model = build(name)
    found = collect(model, [path], BATCHES, seed=5)[path]
    expected = naive_moments(model, path, BATCHES, seed=5)
    calls = 2 if name == "albert" and path != TABLES[name] else 1  # a shared module sees every layer
    assert found.tokens == expected.tokens == calls * 37
    for part in ("inputs", "gradients") if path == TABLES[name] else ("inputs", "mean", "gradients"):
        value, oracle = getattr(found, part), getattr(expected, part)
        assert value.dtype == torch.float64
        assert oracle.abs().max() > 0
        torch.testing.assert_close(value, oracle, rtol=1e-4, atol=1e-5 * float(oracle.abs().max()))


def test_moments_of_images_take_every_patch() -> None:
    model, path = build("vit"), "vit.layers.1.mlp.fc1"
    images = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    together = collect(model, [path], [{"pixel_values": images}], seed=0)[path]
    assert together.tokens == 3 * 17
    apart = collect(model, [path], [{"pixel_values": images[:1]}, {"pixel_values": images[1:]}], seed=0)[path]
    torch.testing.assert_close(together.inputs, apart.inputs, rtol=1e-4, atol=1e-5)


def test_collecting_leaves_the_model_as_it_was() -> None:
    model = build("bert").train()
    model.get_submodule(QUERY).requires_grad_(False)
    before = {name: (p.detach().clone(), p.requires_grad) for name, p in model.named_parameters()}
    collect(model, [QUERY, DENSE], BATCHES, seed=0)
    assert model.training
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name][0])
        assert parameter.requires_grad == before[name][1]
        assert parameter.grad is None
    assert not any(module._forward_hooks for module in model.modules())


def test_the_seed_draws_the_labels() -> None:
    model = build("bert")
    gradients = [collect(model, [QUERY], BATCHES, seed=seed)[QUERY].gradients for seed in (1, 1, 2)]
    assert torch.equal(gradients[0], gradients[1])
    assert not torch.allclose(gradients[0], gradients[2])


def test_no_batches_is_an_error() -> None:
    with pytest.raises(DataError, match="at least one example"):
        collect(build("bert"), [QUERY], [], seed=0)
