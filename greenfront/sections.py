"""The sections of the configuration: frozen models; once validated, every key is there."""

import os
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from greenfront.errors import ConfigError
from greenfront.field_types import (
    Budget,
    File,
    Files,
    Listen,
    Objectives,
    Rungs,
    Seconds,
    Share,
    ShareOrAll,
    ShareOrNone,
    Storage,
    Text,
)
from greenfront.hardware_section import TargetConfig
from greenfront.ray_section import ResourcesConfig
from greenfront.section import Section
from greenfront.space_section import SpaceConfig
from greenfront.yaml_source import shown

Task = Literal[
    "text-classification", "image-classification", "token-classification", "question-answering",
    "causal-language-modelling",
]  # fmt: skip
DEFAULT_METRIC: dict[Task, str] = {"question-answering": "answer_f1", "causal-language-modelling": "perplexity"}
"""Where it isn't accuracy."""


class ModelConfig(Section):
    """The trained model, for text-, image- or token-classification, question-answering or causal-language-modelling."""

    path: Text = Field(description="a folder, or a hub id")
    task: Task = Field(description="text-classification or another task")

    @model_validator(mode="before")
    @classmethod
    def _trusts_no_code(cls, raw: object) -> object:
        if isinstance(raw, Mapping) and "trust_remote_code" in raw:
            rule = "must be without `trust_remote_code`: code that comes with a model is never run"
            raise ConfigError(f"{rule}; the model must be of an architecture that Transformers has itself")
        return raw


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
    trust_remote_code: bool = Field(default=False, description="run the code of `metric`, a script of your own")
    validation_share: Share = Field(default=0.1, description="of train, where no validation is given")
    test_share: Share = Field(default=0.1, description="of train, where no test is given")
    validation_examples: int = Field(default=1000, ge=1, description="at most so many score a trial")
    calibration_examples: int = Field(default=256, ge=1, description="for the decompositions, from train")

    @model_validator(mode="after")
    def _has_source(self) -> "DataConfig":
        if self.path is None and self.train is None:
            raise ConfigError("must have `train`, a file, or `path`, a folder or hub id, but has neither")
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


class SearchConfig(Section):
    """How candidates are searched."""

    trials: int = Field(default=40, ge=1, description="candidates that are fine-tuned and scored")
    sampler: Text = Field(default="tpe", description="Optuna's sampler, or allocation")
    encoding: Literal["direct", "allocation"] | None = Field(
        default=None, description="what a sampler draws; default: the sampler's", examples=["allocation"]
    )
    sampler_options: dict[str, Any] = Field(default={}, description="its options, by Optuna's names")
    seed: int = Field(default=0, ge=0, lt=2**32, description="of everything random")
    rungs: Rungs = Field(
        default=None, description="steps at which a trial is scored, and may be stopped; default: off",
        examples=[[0, 30, 100]],
    )  # fmt: skip
    reduction: int = Field(default=2, ge=2, description="with rungs: one in so many goes on, or `finalists`")
    finalists: int = Field(default=8, ge=1, description="candidates measured and tested at the end")
    scored_settings: int = Field(
        default=3, ge=2, description="of a method at a module; the losses between are interpolated"
    )
    first_plans: Files = Field(
        default=(),
        description="tried first: files with plans, exported models or runs",
        examples=[["other/front.json"]],
    )
    storage: Storage | None = Field(
        default=None, description="a database that shows the study too", examples=["postgresql://USER@HOST/DATABASE"]
    )
    trial_limit: Seconds | None = Field(
        default=None, description="of a training; default: ten times the slowest, at least 10 min", examples=["30 min"]
    )

    @model_validator(mode="after")
    def _encoding_of_sampler(self) -> "SearchConfig":
        if self.sampler == "allocation" and self.encoding == "direct":
            raise ConfigError("must have the encoding allocation, or none, for the sampler allocation, but has direct")
        return self


class FineTuneConfig(Section):
    """Quick fine-tuning of candidates, and ordinary fine-tuning of an original without a trained head."""

    steps: int = Field(default=100, ge=0, description="of quick fine-tuning per candidate")
    batch_size: int = Field(default=32, ge=1, description="examples a step")
    learning_rate: float = Field(default=1e-4, gt=0, description="its peak; lower where a candidate lost little")
    warmup: ShareOrNone = Field(default=0.1, description="share of the steps")
    precision: Literal["auto", "bfloat16", "float32"] = Field(default="auto", description="auto, bfloat16 or float32")
    original_epochs: float = Field(default=1.0, ge=0, description="only where the model's head is untrained")
    original_learning_rate: float = Field(default=2e-4, gt=0, description="only where the head is untrained")


class FinishConfig(Section):
    """A longer distillation of the front's members after the search, kept where validation improves."""

    steps: int = Field(default=0, ge=0, description="of each member's; 0: none are finished")
    members: int = Field(default=4, ge=1, description="candidates, spread along the front")
    shards: int = Field(default=1, ge=1, description="parts of the data, trained on apart and averaged")
    learning_rate: float | None = Field(
        default=None, gt=0, description="its peak; default: that of fine_tune", examples=[1e-4]
    )


class RayConfig(Section):
    """Where candidates are fine-tuned."""

    address: Text = Field(default="local", description="local, auto, HOST:PORT or ray://HOST:PORT of a cluster")
    workers: int | None = Field(
        default=None, ge=1, description="default: cores here // threads_per_worker; on a cluster: all it has room for"
    )
    threads_per_worker: int = Field(default=1, ge=1, description="processor threads of one worker")
    resources_per_worker: ResourcesConfig = ResourcesConfig()
    ship: Literal["package", "environment", "nothing"] = Field(
        default="package", description="to a cluster: Greenfront; with its pinned dependencies; or nothing"
    )
    dashboard: Listen | None = Field(
        default=None, description="of a local Ray: a port here, or HOST:PORT", examples=["127.0.0.1:8265"]
    )

    @property
    def local(self) -> bool:
        """Whether Ray is started here for the run, and not reached elsewhere."""
        return self.address == "local"

    @model_validator(mode="after")
    def _has_custom_resources(self) -> "RayConfig":
        if self.local and self.resources_per_worker.custom:
            what = ", ".join(self.resources_per_worker.custom)
            raise ConfigError(f"must have a cluster's `address` with `resources_per_worker: custom: {what}`")
        return self

    @model_validator(mode="after")
    def _has_its_own_dashboard(self) -> "RayConfig":
        if self.dashboard is not None and not self.local:
            raise ConfigError(
                "must be without `dashboard` where it has an `address`: a cluster has a dashboard of its own"
            )
        return self


class RunConfig(Section):
    """The whole configuration; only `model` and `data` are required."""

    model: ModelConfig
    data: DataConfig
    hardware: tuple[TargetConfig, ...] = Field(default=(TargetConfig(),), strict=False)
    budgets: BudgetsConfig = BudgetsConfig()
    objectives: Objectives = Field(default=("accuracy", "latency"), description="what the front trades off")
    space: SpaceConfig = SpaceConfig()
    search: SearchConfig = SearchConfig()
    fine_tune: FineTuneConfig = Field(default=FineTuneConfig(), validate_default=True)
    finish: FinishConfig = FinishConfig()
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

    @field_validator("fine_tune")
    @classmethod
    def _ends_the_rungs(cls, fine_tune: FineTuneConfig, info: ValidationInfo) -> FineTuneConfig:
        search = info.data.get("search")
        if search is not None and search.rungs is not None and search.rungs[-1] != fine_tune.steps:
            rule = f"`steps` must be the last of search.rungs, {search.rungs[-1]}, the whole fine-tuning"
            raise ConfigError(f"{rule}, but got {fine_tune.steps}")
        return fine_tune

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
