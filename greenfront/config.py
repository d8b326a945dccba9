"""The configuration: one YAML file, validated once; its files and folders found."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from greenfront.cost_names import COST_OF, DIMENSION_OF, HIGHER_IS_BETTER, CostName, Objective
from greenfront.hardware_section import TargetConfig
from greenfront.ray_section import ResourcesConfig
from greenfront.section import Section
from greenfront.sections import (
    BudgetsConfig,
    DataConfig,
    FineTuneConfig,
    FinishConfig,
    ModelConfig,
    RayConfig,
    RunConfig,
    SearchConfig,
    Task,
)
from greenfront.space_section import (
    EmbeddingsConfig,
    HeadsConfig,
    LinformerConfig,
    LowRankConfig,
    SpaceConfig,
    WidthConfig,
)
from greenfront.yaml_source import KeyPath, Problems, dump_yaml, load_yaml, shown

__all__ = [
    "COST_OF",
    "DIMENSION_OF",
    "HIGHER_IS_BETTER",
    "BudgetsConfig",
    "CostName",
    "DataConfig",
    "EmbeddingsConfig",
    "FineTuneConfig",
    "FinishConfig",
    "HeadsConfig",
    "LinformerConfig",
    "LowRankConfig",
    "ModelConfig",
    "Objective",
    "RayConfig",
    "ResourcesConfig",
    "RunConfig",
    "SearchConfig",
    "Section",
    "SpaceConfig",
    "TargetConfig",
    "Task",
    "WidthConfig",
    "config_differences",
    "load_config",
    "parse_config",
    "to_yaml",
]


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
