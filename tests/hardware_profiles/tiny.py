"""A tiny classifier with random weights."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel

from greenfront.config import EmbeddingsConfig, LinformerConfig, LowRankConfig, SpaceConfig
from greenfront.hardware_profiles import Target
from greenfront.spaces import Space

LENGTH = 32
SPACE = SpaceConfig(
    methods=("low_rank", "embeddings", "linformer"),
    low_rank=LowRankConfig(ranks=(8, 16)),
    embeddings=EmbeddingsConfig(ranks=(8, 16)),
    linformer=LinformerConfig(lengths=(8, 16)),
)


@dataclass(frozen=True)
class Tiny:
    """A saved classifier, its space and a target for it."""

    model: PreTrainedModel
    folder: Path
    space: Space
    target: Target


def tiny_bert() -> PreTrainedModel:
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=128,
        vocab_size=200,
        max_position_embeddings=64,
    )
    config.num_labels = 3
    model = BertForSequenceClassification(config)
    model.train(False)
    return model
