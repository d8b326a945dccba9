"""The `space` section: what may be changed in the model."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from greenfront.errors import ConfigError
from greenfront.field_types import Bits, Lengths, Names
from greenfront.section import Section
from greenfront.yaml_source import shown


class LowRankConfig(Section):
    """Low-rank factorization of linears."""

    decomposition: Literal["two_sided", "input", "plain"] = Field(
        default="two_sided", description="what weights the error (of tables, too): two_sided, input or plain"
    )
    align: int = Field(default=8, ge=1, description="ranks are multiples of it")
    ranks: Lengths | None = Field(
        default=None, description="default: every aligned rank below break-even", examples=[[32, 64, 128]]
    )


class EmbeddingsConfig(Section):
    """Low-rank factorization of the embedding table, and trimming of the vocabulary."""

    align: int = Field(default=8, ge=1, description="ranks are multiples of it")
    ranks: Lengths | None = Field(
        default=None, description="default: every aligned rank below break-even", examples=[[64, 96, 128]]
    )
    trim: bool = Field(default=False, description="keep only tokens of the training and validation data")


class LinformerConfig(Section):
    """Attention over a projected, shorter sequence."""

    lengths: Lengths | None = Field(
        default=None, description="default: 16, 32, 64, ... below the sequence length", examples=[[32, 64]]
    )
    sharing: Literal["none", "key_value", "layerwise"] = Field(
        default="key_value", description="what shares one projection: none, key_value or layerwise"
    )


class HeadsConfig(Section):
    """Removal of whole attention heads."""

    importance: Literal["fisher", "michel"] = Field(
        default="fisher", description="sorts heads: fisher (Kwon et al.) or michel (Michel et al.)"
    )
    counts: Lengths | None = Field(default=None, description="heads kept; default: every number", examples=[[4, 8]])


class WidthConfig(Section):
    """Removal of feed-forward neurons."""

    align: int = Field(default=16, ge=1, description="widths are multiples of it")
    amounts: Lengths | None = Field(
        default=None, description="neurons kept; default: eighths of all, aligned", examples=[[512, 1024]]
    )


class SpaceConfig(Section):
    """What may be changed in the model."""

    methods: Names | None = Field(
        default=None,
        description="default: all that fit",
        examples=[["low_rank", "linformer"]],
    )
    window: Lengths | None = Field(default=None, description="tokens seen to each side", examples=[[16, 32]])
    clustered: Lengths | None = Field(default=None, description="clusters of keys", examples=[[32, 64]])
    lsh: Lengths | None = Field(default=None, description="tokens in a chunk of like hashes", examples=[[32, 64]])
    performer: Lengths | None = Field(default=None, description="random features", examples=[[64, 128]])
    sign_matching: Lengths | None = Field(default=None, description="keys that a query attends to", examples=[[32, 64]])
    bits: Bits | None = Field(
        default=None, description="default: 8; also 8w (int8 weights alone), 16", examples=[[8, "8w"]]
    )
    random_seed: int = Field(default=0, ge=0, lt=2**32, description="of lsh and performer")
    low_rank: LowRankConfig = LowRankConfig()
    embeddings: EmbeddingsConfig = EmbeddingsConfig()
    linformer: LinformerConfig = LinformerConfig()
    heads: HeadsConfig = HeadsConfig()
    width: WidthConfig = WidthConfig()

    @model_validator(mode="before")
    @classmethod
    def _table_is_a_method(cls, raw: Any) -> Any:
        """`low_rank.embeddings` of earlier run folders: true meant what `embeddings` among the methods means now."""
        low_rank = raw.get("low_rank") if isinstance(raw, Mapping) else None
        if not isinstance(low_rank, Mapping) or "embeddings" not in low_rank:
            return raw
        if low_rank["embeddings"] is not True:
            rule = (
                "`low_rank.embeddings` is a method of its own: list `methods` without `embeddings` to leave the table"
            )
            raise ConfigError(f"{rule}, but got {shown(low_rank['embeddings'])}")
        found = {**raw, "low_rank": {key: value for key, value in low_rank.items() if key != "embeddings"}}
        if isinstance(methods := raw.get("methods"), list | tuple) and "low_rank" in methods:
            found["methods"] = [*dict.fromkeys(("embeddings", *methods))]
        return found
