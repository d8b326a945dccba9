"""The sections of the configuration: frozen models; once validated, every key is there."""

import os
import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from greenfront.errors import ConfigError
from greenfront.field_types import Bits, Budget, File, Lengths, Names, Objectives, Share, ShareOrAll, ShareOrNone, Text
from greenfront.yaml_source import shown

Task = Literal[
    "text-classification", "image-classification", "token-classification", "question-answering",
    "causal-language-modelling",
]  # fmt: skip
DEFAULT_METRIC: dict[Task, str] = {"question-answering": "answer_f1", "causal-language-modelling": "perplexity"}
"""Where it isn't accuracy."""


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys and values of another type refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )


class ModelConfig(Section):
    """The trained model, for text-, image- or token-classification, question-answering or causal-language-modelling."""

    path: Text = Field(description="a folder, or a hub id")
    task: Task = Field(description="text-classification or another task")


class DataConfig(Section):
    """Either files (`train`, `validation`, `test`) or `path`, a folder or hub id with its splits."""

    path: Text | None = Field(default=None, description="a folder or hub id; the next keys name its parts")
    name: Text | None = Field(default=None, description="the configuration of a hub data set")
    train: Text | None = Field(default=None, description="a CSV, JSON or Parquet file; with `path` a split")
    validation: Text | None = Field(default=None, description="scores the search; default: split off")
    test: Text | None = Field(default=None, description="scores the front, once; default: split off")
    text: Text = Field(default="text", description="the column with the text, or with a list of words")
    text_pair: Text | None = Field(default=None, description="the column with a second text")
    image: Text = Field(default="image", description="the column with the image")
    label: Text = Field(default="label", description="the column with the label, or the words' labels")
    question: Text = Field(default="question", description="the column with the question")
    context: Text = Field(default="context", description="the column where the answer stands")
    answers: Text = Field(default="answers", description="the column with answers: text, answer_start")
    max_length: int = Field(default=128, ge=8, description="tokens; longer texts are cut, or read in parts")
    stride: int | None = Field(
        default=None, ge=0, description="tokens that parts of a context share; default: some", examples=[32]
    )
    metric: Text = Field(
        default="auto", description="auto: accuracy, answer_f1 or perplexity, by task; or f1, entity_f1, ..."
    )
    validation_share: Share = Field(default=0.1, description="of train, where no validation is given")
    test_share: Share = Field(default=0.1, description="of train, where no test is given")
    validation_examples: int = Field(default=1000, ge=1, description="at most so many score a trial")
    calibration_examples: int = Field(default=256, ge=1, description="for the decompositions, from train")

    @model_validator(mode="after")
    def _has_source(self) -> "DataConfig":
        if self.path is None and self.train is None:
            raise ConfigError("must have `train`, a file, or `path`, a folder or hub id, but has neither")
        return self


class TargetConfig(Section):
    """One machine and workload that the model has to be fast on."""

    name: str = Field(default="this-machine", description="names its file in the run folder")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="cpu or cuda")
    runtime: Literal["torch", "onnxruntime"] | None = Field(
        default=None, description="torch or onnxruntime; default: onnxruntime on cpu, if installed", examples=["torch"]
    )
    compile: bool = Field(default=False, description="with runtime torch: compile the model")
    threads: int = Field(default=1, ge=1, description="processor threads for one query")
    batch_size: int = Field(default=1, ge=1, description="examples in one query")
    large_batch: int | None = Field(
        default=None, ge=2, description="examples in a large query; default: 2,048 tokens, 8 images", examples=[32]
    )
    sequence_length: int | None = Field(default=None, ge=1, description="tokens; default: data.max_length")
    profile: File | None = Field(default=None, description="a saved profile, instead of measuring")
    elsewhere: bool = Field(default=False, description="the profile is another machine's: only predict")
    resource: Text | None = Field(default=None, description="measure on the Ray node that carries this")
    seconds: float = Field(default=60.0, gt=0, description="for a profile, and for the finalists, at most")
    disturbed: Literal["refuse", "accept"] = Field(
        default="refuse", description="measurements disturbed twice: refuse, or accept with a warning"
    )
    power: float | None = Field(
        default=None, gt=0, description="watts of these threads, where nothing counts them", examples=[15]
    )
    grid_intensity: float = Field(default=473.0, ge=0, description="g CO2 per kWh; world average 2024, Ember")
    price: float = Field(default=0.25, ge=0, description="of one kWh, in your currency")

    @field_validator("name")
    @classmethod
    def _is_file_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            rule = "must be 1 to 64 letters, digits, `.`, `_`, `-`, beginning with a letter or digit"
            raise ConfigError(f"{rule} (it names a file), but got {shown(name)}")
        return name

    @model_validator(mode="after")
    def _fits_together(self) -> "TargetConfig":
        if self.compile and self.runtime != "torch":
            got = f"`runtime: {self.runtime}`" if self.runtime else "no `runtime`"
            raise ConfigError(f"must have `runtime: torch` with `compile: true`, but has {got}")
        if self.elsewhere and self.profile is None:
            raise ConfigError("must have `profile`, a file measured there, with `elsewhere: true`, but has none")
        if self.elsewhere and self.resource is not None:
            what = "costs are either predicted (`elsewhere`) or measured on a node (`resource`)"
            raise ConfigError(f"must not have both `elsewhere: true` and `resource: {self.resource}`: {what}")
        return self


class BudgetsConfig(Section):
    """Bounds that a candidate has to keep on every target."""

    latency: Budget | None = Field(default=None, description="median of one query", examples=["60%"])
    latency_p90: Budget | None = Field(default=None, description="nine in ten queries", examples=["60%"])
    large_batch_latency: Budget | None = Field(default=None, description="of a large query", examples=["60%"])
    throughput: Budget | None = Field(
        default=None, description="at least; examples a second, large queries", examples=["150%"]
    )
    size: Budget | None = Field(default=None, description="of the weights' file", examples=["50%"])
    memory: Budget | None = Field(default=None, description="peak of the process", examples=["500 MB"])
    parameters: Budget | None = Field(default=None, description="their number", examples=["10M"])
    flops: Budget | None = Field(default=None, description="of one query", examples=["60%"])
    energy: Budget | None = Field(default=None, description="of one query", examples=["500 mJ"])
    co2: Budget | None = Field(default=None, description="of a million queries", examples=["50 g"])
    money: Budget | None = Field(default=None, description="a million queries' electricity", examples=["50%"])
    accuracy_drop: Share | None = Field(
        default=None, description="share of the original's that may be lost", examples=["1%"]
    )
    accuracy: ShareOrAll | None = Field(default=None, description="least value of the metric", examples=["90%"])


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


class SearchConfig(Section):
    """How candidates are searched."""

    trials: int = Field(default=40, ge=1, description="candidates that are fine-tuned and scored")
    sampler: Text = Field(default="tpe", description="Optuna's sampler")
    sampler_options: dict[str, Any] = Field(default={}, description="its options, by Optuna's names")
    seed: int = Field(default=0, ge=0, lt=2**32, description="of everything random")
    finalists: int = Field(default=8, ge=1, description="candidates measured and tested at the end")
    scored_settings: int = Field(
        default=3, ge=2, description="of a method at a module; the losses between are interpolated"
    )


class FineTuneConfig(Section):
    """Quick fine-tuning of candidates, and ordinary fine-tuning of an original without a trained head."""

    steps: int = Field(default=100, ge=0, description="of quick fine-tuning per candidate")
    batch_size: int = Field(default=32, ge=1, description="examples a step")
    learning_rate: float = Field(default=1e-4, gt=0, description="its peak")
    warmup: ShareOrNone = Field(default=0.1, description="share of the steps")
    precision: Literal["auto", "bfloat16", "float32"] = Field(default="auto", description="auto, bfloat16 or float32")
    original_epochs: float = Field(default=1.0, ge=0, description="only where the model's head is untrained")
    original_learning_rate: float = Field(default=2e-4, gt=0, description="only where the head is untrained")


class RayConfig(Section):
    """Where candidates are fine-tuned."""

    address: Text = Field(default="local", description="local, auto, or a cluster's address")
    workers: int | None = Field(default=None, ge=1, description="default: cores // threads_per_worker")
    threads_per_worker: int = Field(default=1, ge=1, description="processor threads of one worker")


class RunConfig(Section):
    """The whole configuration; only `model` and `data` are required."""

    model: ModelConfig
    data: DataConfig
    hardware: tuple[TargetConfig, ...] = Field(default=(TargetConfig(),), strict=False)
    budgets: BudgetsConfig = BudgetsConfig()
    objectives: Objectives = Field(default=("accuracy", "latency"), description="what the front trades off")
    space: SpaceConfig = SpaceConfig()
    search: SearchConfig = SearchConfig()
    fine_tune: FineTuneConfig = FineTuneConfig()
    ray: RayConfig = Field(default=RayConfig(), validate_default=True)
    output: File | None = Field(default=None, description="the run folder; default: runs/NAME of this file")

    @field_validator("hardware", mode="before")
    @classmethod
    def _one_or_more(cls, hardware: object) -> object:
        return (hardware,) if isinstance(hardware, Mapping | TargetConfig) else hardware

    @field_validator("hardware")
    @classmethod
    def _distinct_names(cls, hardware: tuple[TargetConfig, ...]) -> tuple[TargetConfig, ...]:
        names = [target.name for target in hardware]
        if not names or len(set(names)) < len(names):
            what = f"targets with the names {shown(names)}" if names else "an empty list"
            raise ConfigError(f"must be one or more targets, each with a `name` of its own, but got {what}")
        return hardware

    @field_validator("data")
    @classmethod
    def _has_metric(cls, data: DataConfig, info: ValidationInfo) -> DataConfig:
        model = info.data.get("model")
        if data.metric != "auto" or model is None:
            return data
        return data.model_copy(update={"metric": DEFAULT_METRIC.get(model.task, "accuracy")})

    @field_validator("ray")
    @classmethod
    def _reaches_the_resources(cls, ray: RayConfig, info: ValidationInfo) -> RayConfig:
        wanted = [target.resource for target in info.data.get("hardware", ()) if target.resource is not None]
        if wanted and ray.address == "local":
            rule = f"must have a cluster's `address`, or `auto`, to measure on a node with `resource: {wanted[0]}`"
            raise ConfigError(f"{rule}, but got 'local'")
        return ray

    def target_length(self, target: TargetConfig) -> int:
        """Tokens of one example in the target's workload."""
        return target.sequence_length or self.data.max_length

    def workers(self) -> int:
        """How many Ray workers run at once; by default as many as this process's cores hold."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.ray.workers or max(1, cores // self.ray.threads_per_worker)
