"""Tiny models with random weights, one per architecture that every method has to deal with, and their inputs.

Weights and biases are drawn wide, so that attention is far from uniform and every bias does something.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    PreTrainedModel,
    RobertaConfig,
    RobertaForSequenceClassification,
    ViTConfig,
    ViTForImageClassification,
)

from greenfront.config import SpaceConfig
from greenfront.spaces import Library, Space, find_space

Batch = dict[str, Tensor]

VOCABULARY = 100
LENGTH = 16  # tokens; a ViT's 16 patches and its class token make 17
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 64, "max_position_embeddings": 64, "num_labels": 3, "pad_token_id": 0,
    "initializer_range": 0.3,
}  # fmt: skip
CONFIG = SpaceConfig.model_validate(
    {
        "methods": ["low_rank", "embeddings", "linformer"],
        "low_rank": {"align": 4},
        "embeddings": {"align": 4},
        "linformer": {"lengths": [2, 5]},
    }
)


def randomized(model: PreTrainedModel, seed: int = 0) -> PreTrainedModel:
    """The model in evaluation mode, with biases and norms that are not their neutral start values."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    model.train(False)
    return model


def bert(**sizes: Any) -> PreTrainedModel:
    """A BERT classifier."""
    return BertForSequenceClassification(BertConfig(**{**SIZES, **sizes}))


def roberta() -> PreTrainedModel:
    """A RoBERTa classifier: positions are counted from the padding id."""
    return RobertaForSequenceClassification(RobertaConfig(**SIZES))


def albert() -> PreTrainedModel:
    """An ALBERT classifier: one block called for every layer, and a table narrower than the blocks."""
    return AlbertForSequenceClassification(AlbertConfig(**SIZES, embedding_size=16, classifier_dropout_prob=0.0))


def gpt2() -> PreTrainedModel:
    """A GPT-2 classifier: Conv1D instead of Linear, causal attention."""
    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "n_inner": 64,
        "num_labels": 3, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 0.3,
    }  # fmt: skip
    return GPT2ForSequenceClassification(GPT2Config(**sizes))


def vit() -> PreTrainedModel:
    """A ViT classifier: no embedding table, no padding."""
    sizes = {key: SIZES[key] for key in SIZES if key not in ("vocab_size", "max_position_embeddings", "pad_token_id")}
    return ViTForImageClassification(ViTConfig(**sizes, image_size=16, patch_size=4))


BUILDERS: dict[str, Callable[[], PreTrainedModel]] = {
    "bert": bert, "roberta": roberta, "albert": albert, "gpt2": gpt2, "vit": vit
}  # fmt: skip


def build(name: str) -> PreTrainedModel:
    """A new model of `BUILDERS`, the same one every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return randomized(BUILDERS[name]())


def text_batch(lengths: Sequence[int], *, width: int = LENGTH, seed: int = 0) -> Batch:
    """Token ids with as many valid tokens a row as `lengths` says, padded on the right to `width`."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, VOCABULARY, (len(lengths), width), generator=generator)
    mask = (torch.arange(width) < torch.tensor(lengths)[:, None]).long()
    return {"input_ids": ids * mask, "attention_mask": mask}


def batch_for(name: str, *, seed: int = 0) -> Batch:
    """Four examples that a model of `BUILDERS` can read; texts are of different lengths."""
    if name == "vit":
        return {"pixel_values": torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(seed))}
    return text_batch([16, 11, 7, 2], seed=seed)


def logits(model: PreTrainedModel, batch: Batch) -> Tensor:
    """What the model answers, without gradients."""
    with torch.no_grad():
        answer: Tensor = model(**batch).logits
    return answer


def space_of(model: PreTrainedModel, config: SpaceConfig = CONFIG) -> Space:
    """A model's space; of the usual methods without those that the model refuses."""
    refused = {"gpt2": "linformer", "vit": "embeddings", "bart": "embeddings"}.get(model.config.model_type)
    if config == CONFIG and refused:
        methods = tuple(name for name in CONFIG.methods or () if name != refused)
        config = config.model_copy(update={"methods": methods})
    return find_space(model, config, LENGTH)


@dataclass(frozen=True)
class Prepared:
    """A model with its space and library; shared between tests, which leave all three as they are."""

    model: PreTrainedModel
    space: Space
    library: Library


@cache
def prepared(name: str, config: SpaceConfig = CONFIG) -> Prepared:
    """A model of `BUILDERS` with its space and library."""
    model = build(name)
    space = space_of(model, config)
    batches = [batch_for(name, seed=seed) for seed in range(1, 5)]
    return Prepared(model, space, Library.compute(model, batches, space, config))
