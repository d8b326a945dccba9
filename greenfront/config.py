"""The configuration: one YAML file, validated once into frozen models; then every key is there."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from greenfront.errors import ConfigError
from greenfront.units import Bound, Dimension, format_share, parse_bound, parse_share
from greenfront.yaml_source import KeyPath, Problems, dump_yaml, load_yaml, shown

CostName = Literal["latency_ms", "size_mb", "peak_memory_mb", "parameters", "flops"]
COST_OF: dict[str, CostName] = {
    "latency": "latency_ms", "size": "size_mb", "memory": "peak_memory_mb",
    "parameters": "parameters", "flops": "flops",
}  # fmt: skip
"""The name in YAML and on the command line -> the name of the cost, with its unit."""
DIMENSION_OF: dict[str, Dimension] = {
    "latency": "time", "size": "bytes", "memory": "bytes", "parameters": "count", "flops": "count",
}  # fmt: skip
"""The name in YAML and on the command line -> what its budgets are written in (`parse_bound`)."""
Task = Literal["text-classification", "image-classification"]
Objective = Literal["accuracy", "latency", "size", "memory", "parameters", "flops"]
Values = TypeVar("Values", bound=tuple[Any, ...])


def _bound(value: Any, info: ValidationInfo) -> Bound:
    name = str(info.field_name)
    return value if isinstance(value, Bound) else parse_bound(value, DIMENSION_OF[name], name)


def _share(value: Any, info: ValidationInfo) -> float:
    return parse_share(value, str(info.field_name))


def _share_or_all(value: Any, info: ValidationInfo) -> float:
    return parse_share(value, str(info.field_name), whole=True)


def _share_or_none(value: Any, info: ValidationInfo) -> float:
    return parse_share(value, str(info.field_name), zero=True)


def _path(value: object) -> object:
    return Path(value).expanduser() if isinstance(value, str) and value.strip() else value


def _distinct(values: Values) -> Values:
    if not values or len(set(values)) < len(values):
        raise ConfigError(f"must be a list of one or more distinct values, but got {shown(list(values))}")
    return values


Text = Annotated[str, Field(min_length=1)]
Positive = Annotated[int, Field(ge=1)]
Budget = Annotated[Bound, BeforeValidator(_bound), PlainSerializer(str)]
Share = Annotated[float, BeforeValidator(_share), PlainSerializer(format_share)]
ShareOrAll = Annotated[float, BeforeValidator(_share_or_all), PlainSerializer(format_share)]
ShareOrNone = Annotated[float, BeforeValidator(_share_or_none), PlainSerializer(format_share)]
File = Annotated[Path, BeforeValidator(_path), PlainSerializer(str)]
Lengths = Annotated[tuple[Positive, ...], Field(strict=False), AfterValidator(_distinct)]
Names = Annotated[tuple[Text, ...], Field(strict=False), AfterValidator(_distinct)]
Objectives = Annotated[tuple[Objective, ...], Field(strict=False), AfterValidator(_distinct)]


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys and values of another type refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )


class ModelConfig(Section):
    """The trained model to make smaller and faster."""

    path: Text = Field(description="a folder, or a hub id")
    task: Task = Field(description="text-classification or image-classification")
    trust_remote_code: bool = Field(default=False, description="run code that comes with the model")


class DataConfig(Section):
    """Either files (`train`, `validation`, `test`) or `path`, a folder or hub id with its splits."""

    path: Text | None = Field(default=None, description="a folder or hub id; the next keys name its parts")
    name: Text | None = Field(default=None, description="the configuration of a hub data set")
    train: Text | None = Field(default=None, description="a CSV, JSON or Parquet file; with `path` a split")
    validation: Text | None = Field(default=None, description="scores the search; default: split off")
    test: Text | None = Field(default=None, description="scores the front, once; default: split off")
    text: Text = Field(default="text", description="the column with the text")
    text_pair: Text | None = Field(default=None, description="the column with a second text")
    image: Text = Field(default="image", description="the column with the image")
    label: Text = Field(default="label", description="the column with the label")
    max_length: int = Field(default=128, ge=8, description="tokens; longer texts are cut")
    metric: Text = Field(default="accuracy", description="such as f1, recall, matthews_correlation")
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
    runtime: Literal["torch"] = Field(default="torch", description="what runs the model there: torch")
    threads: int = Field(default=1, ge=1, description="processor threads for one query")
    batch_size: int = Field(default=1, ge=1, description="examples in one query")
    sequence_length: int | None = Field(default=None, ge=1, description="tokens; default: data.max_length")
    profile: File | None = Field(default=None, description="a saved profile, instead of measuring")

    @field_validator("name")
    @classmethod
    def _is_file_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            rule = "must be 1 to 64 letters, digits, `.`, `_`, `-`, beginning with a letter or digit"
            raise ConfigError(f"{rule} (it names a file), but got {shown(name)}")
        return name


class BudgetsConfig(Section):
    """Bounds that a candidate has to keep on every target."""

    latency: Budget | None = Field(default=None, description="median of one query", examples=["60%"])
    size: Budget | None = Field(default=None, description="of the weights' file", examples=["50%"])
    memory: Budget | None = Field(default=None, description="peak of the process", examples=["500 MB"])
    parameters: Budget | None = Field(default=None, description="their number", examples=["10M"])
    flops: Budget | None = Field(default=None, description="of one query", examples=["60%"])
    accuracy_drop: Share | None = Field(
        default=None, description="share of the original's that may be lost", examples=["1%"]
    )
    accuracy: ShareOrAll | None = Field(default=None, description="least value of the metric", examples=["90%"])


class LowRankConfig(Section):
    """Low-rank factorization of linears and embeddings."""

    decomposition: Literal["two_sided", "input", "plain"] = Field(
        default="two_sided", description="what weights the error: two_sided, input or plain (nothing)"
    )
    align: int = Field(default=8, ge=1, description="ranks are multiples of it")
    ranks: Lengths | None = Field(
        default=None, description="default: every aligned rank below break-even", examples=[[32, 64, 128]]
    )
    embeddings: bool = Field(default=True, description="factorize embeddings too")


class LinformerConfig(Section):
    """Attention over a projected, shorter sequence."""

    lengths: Lengths | None = Field(
        default=None, description="default: 16, 32, 64, ... below the sequence length", examples=[[32, 64]]
    )
    sharing: Literal["none", "key_value", "layerwise"] = Field(
        default="key_value", description="what shares one projection: none, key_value or layerwise"
    )


class SpaceConfig(Section):
    """What may be changed in the model."""

    methods: Names | None = Field(
        default=None, description="default: every one that fits", examples=[["low_rank", "linformer"]]
    )
    low_rank: LowRankConfig = LowRankConfig()
    linformer: LinformerConfig = LinformerConfig()


class SearchConfig(Section):
    """How candidates are searched."""

    trials: int = Field(default=40, ge=1, description="candidates that are fine-tuned and scored")
    sampler: Text = Field(default="tpe", description="Optuna's sampler")
    sampler_options: dict[str, Any] = Field(default={}, description="its options, by Optuna's names")
    seed: int = Field(default=0, ge=0, lt=2**32, description="of everything random")
    finalists: int = Field(default=8, ge=1, description="candidates measured and tested at the end")


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
    ray: RayConfig = RayConfig()
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

    def target_length(self, target: TargetConfig) -> int:
        """Tokens of one example in the target's workload."""
        return target.sequence_length or self.data.max_length

    def workers(self) -> int:
        """How many Ray workers run at once; by default as many as this process's cores hold."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.ray.workers or max(1, cores // self.ray.threads_per_worker)


def load_config(path: Path, *, locate: bool = True) -> RunConfig:
    """Read and validate a YAML file.

    Files and folders in it are looked up from the file's own folder and come back absolute; `output` stays
    relative to the current folder, and is `runs/NAME` of the file where it isn't given.

    Raises:
        ConfigError: with one line per problem: file, line, key, what would be valid, the value.
    """
    path = Path(path)
    raw, lines = load_yaml(path)
    config = parse_config(raw, folder=path.parent, problems=Problems(path, lines), locate=locate)
    return config if config.output else config.model_copy(update={"output": Path("runs") / path.stem})


def parse_config(
    raw: Mapping[str, Any], *, folder: Path | None = None, problems: Problems | None = None, locate: bool = True
) -> RunConfig:
    """Validate plain data as it stands in the YAML; files are looked up from `folder` (default: the current).

    Raises:
        ConfigError: one line per problem: key, what would be valid, the value; `problems` adds file and line.
    """
    problems = problems or Problems()
    if not isinstance(raw, Mapping):
        what = "nothing" if raw is None else shown(raw)
        problems.add((), f"must be a mapping with at least `model` and `data`, but got {what}")
        problems.check()
    given = _without_empty_sections(raw)
    for key, value in budgets.items() if isinstance(budgets := given.get("budgets"), Mapping) else ():
        if value is None and key in BudgetsConfig.model_fields:
            problems.add(("budgets", key), "has no value; write one such as `50%`, or remove the key")
    try:
        config = RunConfig.model_validate(given)
    except ValidationError as error:
        problems.explain(RunConfig, error)
    else:
        config = _locate(config, folder or Path(), problems) if locate else config
    problems.check()
    return config


def to_yaml(config: RunConfig) -> str:
    """The resolved configuration as YAML, which loads as an equal one; left out is what is None.

    Budgets stand as the user wrote them, shares as percentages.
    """
    plain = config.model_dump(mode="json", exclude_none=True)
    plain["search"]["sampler_options"] = config.search.sampler_options  # theirs: may hold None
    return dump_yaml(plain)


def config_differences(a: RunConfig, b: RunConfig) -> list[tuple[str, object, object]]:
    """What differs: (dotted key, value in a, value in b), with None where one has no such key."""
    left, right = dict(_leaves(a)), dict(_leaves(b))
    keys = dict.fromkeys([*left, *right])
    return [(key, left.get(key), right.get(key)) for key in keys if left.get(key) != right.get(key)]


def _leaves(section: Section, above: str = "") -> Iterator[tuple[str, object]]:
    """Every value of a configuration with its dotted key."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _leaves(value, f"{above}{name}.")
        elif name == "hardware":
            for index, target in enumerate(value):
                yield from _leaves(target, f"{above}{name}[{index}].")
        else:
            yield f"{above}{name}", value


def _without_empty_sections(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Without top-level keys and parts of `space` that hold nothing: all below them is commented out."""
    known = RunConfig.model_fields
    given = {key: value for key, value in raw.items() if value is not None or key not in known}
    if isinstance(space := given.get("space"), Mapping):
        given["space"] = {key: value for key, value in space.items() if value is not None}
    return given


def _locate(config: RunConfig, folder: Path, problems: Problems) -> RunConfig:
    """The same configuration with absolute paths; what isn't there becomes a problem."""
    finder = _Finder(folder.resolve(), problems)
    model, data = config.model, config.data
    model = model.model_copy(update={"path": finder.folder_or_id("model", model.path)})
    if data.path is not None:
        data = data.model_copy(update={"path": finder.folder_or_id("data", data.path)})
    else:
        splits = {name: getattr(data, name) for name in ("train", "validation", "test")}
        found = {name: finder.file(("data", name), file) for name, file in splits.items() if file is not None}
        data = data.model_copy(update=found)
    script = Path(os.path.abspath(finder.folder / data.metric))
    if script.is_file():  # a metric of one's own: workers run in another folder
        data = data.model_copy(update={"metric": str(script)})
    hardware = list(config.hardware)
    for index, target in enumerate(hardware):
        if target.profile is not None:
            profile = Path(finder.file(("hardware", index, "profile"), str(target.profile)))
            hardware[index] = target.model_copy(update={"profile": profile})
    return config.model_copy(update={"model": model, "data": data, "hardware": tuple(hardware)})


@dataclass(frozen=True)
class _Finder:
    """Looks paths up from a folder."""

    folder: Path
    problems: Problems

    def file(self, key: KeyPath, value: str) -> str:
        """The absolute path of an existing file (links are not followed: they may carry the ending)."""
        path = Path(os.path.abspath(self.folder / Path(value).expanduser()))
        if path.is_dir():
            hint = "; a folder is named by `data.path`" if key[0] == "data" else ""
            self.problems.add(key, f"must be a file{hint}, but {shown(str(value))} is a folder ({path})")
        elif not path.exists():
            rule = f"must be an existing file{self._from(value)}"
            self.problems.add(key, f"{rule}, but got {value!r}: there is no {path}")
        return str(path)

    def folder_or_id(self, section: str, value: str) -> str:
        """The absolute path of an existing folder, else the value as a hub id."""
        path = Path(os.path.abspath(self.folder / Path(value).expanduser()))
        if path.is_dir():
            return str(path)
        if path.exists() or not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", value):
            what = "is a file" if path.exists() else f"there is no {path}"
            rule = f"must be an existing folder{self._from(value)} or a hub id such as `name` or `owner/name`"
            self.problems.add((section, "path"), f"{rule}, but got {value!r}: {what}")
        return value

    def _from(self, value: str) -> str:
        """A hint where the path would be right from the current folder."""
        if not Path(value).exists():
            return ""
        return f" (paths start at the YAML's folder; write {os.path.relpath(value, self.folder)!r})"
