"""The commented YAML that `greenfront init` writes, made from the configuration's own fields."""

import json
import os
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import PlainSerializer
from pydantic.fields import FieldInfo

from greenfront.config import RunConfig, Section, Task
from greenfront.errors import ConfigError
from greenfront.yaml_source import dump_yaml

HEAD = """\
## A Greenfront run: what to make smaller and faster, on which machine, within which budgets.
## Only `model` and `data` are required. A line that starts with `# ` shows a default (or an example, marked
## "e.g."); take the `# ` away from it, and from the section's name above it, to set something else.
## Files and folders are looked up from the folder of this file; `output` from the folder you start in.
## Quantities: `8 ms`, `30 MB`, `5M`; `60%` means of the original.
"""
COMMENT_COLUMN = 40
PATHS = ("model.path", "data.path", "data.train", "data.validation", "data.test")


def example_settings(
    *,
    model: str = "sentence-transformers/all-MiniLM-L6-v2",
    task: str = "text-classification",
    train: str = "train.csv",
    test: str | None = None,
    column: str | None = None,
    label: str = "label",
) -> dict[str, object]:
    """The settings of a file that names what could be used, by dotted keys.

    Args:
        model: a folder or hub id.
        train, test: data files.
        column: the column with the text (or the image or the context, by `task`).
        label: the column with the label (or the answers).

    Raises:
        ConfigError: an unknown task.
    """
    if task not in get_args(Task):
        raise ConfigError(f"task: must be one of {', '.join(get_args(Task))}, but got {task!r}")
    data = {"train": train, "test": test, **_columns(task, column, label)}
    return {"model.path": model, "model.task": task, **{f"data.{key}": value for key, value in data.items()}}


def render_template(
    settings: Mapping[str, object], doubts: Mapping[str, str] | None = None, *, folder: Path | None = None
) -> str:
    """A YAML file with every section and key; what isn't among the settings stands there commented out.

    Args:
        settings: values by dotted keys; None leaves a key out. `hardware.KEY` is of its only target.
        doubts: by dotted keys, what else a value could be; stands above it.
        folder: where the YAML will stand; paths that exist are written as seen from there.
    """
    given = dict(settings)
    for key in PATHS if folder is not None else ():
        given[key] = _seen_from(folder or Path(), given.get(key))
    lines = [HEAD]
    for name, info in RunConfig.model_fields.items():
        lines += [*_render(name, info, nested(given).get(name), "", name, doubts or {}), ""]
    return "\n".join(lines)


def nested(settings: Mapping[str, object]) -> dict[str, Any]:
    """Settings as they stand in a YAML file, without those that are None."""
    result: dict[str, Any] = {}
    for dotted, value in settings.items():
        *above, last = dotted.split(".")
        place = result
        for part in above if value is not None else ():
            place = place.setdefault(part, {})
        if value is not None:
            place[last] = value
    return result


def _columns(task: str, column: str | None, label: str) -> dict[str, str]:
    """The keys that name a task's columns; the first holds what is read, the last what is right."""
    if task == "question-answering":
        answers = "answers" if label == "label" else label
        return {"context": column or "context", "question": "question", "answers": answers}
    kind = "image" if task == "image-classification" else "text"
    return {kind: column or kind, **({} if task == "causal-language-modelling" else {"label": label})}


def _render(
    name: str, info: FieldInfo, given: Any, indent: str, dotted: str, doubts: Mapping[str, str]
) -> Iterator[str]:
    """The lines of one key: of a section with its explanation and keys, else one line with a comment."""
    section = section_of(info)
    if section is None:
        yield from _doubt(doubts.get(dotted, ""), indent)
        yield _line(name, info, given, indent)
        return
    values: Mapping[str, Any] = given or {}
    mark = "" if values else "# "
    yield f"## {indent}{(section.__doc__ or '').splitlines()[0]}"
    yield f"{mark}{indent}{name}:"
    below = f"{indent}  "
    if name == "hardware":  # a list: the first key opens its item
        yield "##   One target, or several with names of their own; all budgets have to hold on each."
        for number, (key, field) in enumerate(section.model_fields.items()):
            yield from _doubt(doubts.get(f"{dotted}.{key}", ""), below)
            yield _line(key, field, values.get(key), f"{below}  " if number else f"{below}- ")
        return
    for key, field in section.model_fields.items():
        yield from _render(key, field, values.get(key), below, f"{dotted}.{key}", doubts)


def _doubt(doubt: str, indent: str) -> Iterator[str]:
    """A guess that may be wrong, in comments above its line."""
    start = f"## {indent}unsure: "
    yield from textwrap.wrap(" ".join(doubt.split()), 120, initial_indent=start, subsequent_indent=f"## {indent}  ")


def _line(name: str, info: FieldInfo, given: object, indent: str) -> str:
    example = info.examples[0] if info.examples else None
    value = next((value for value in (given, default_of(info), example) if value is not None), None)
    shown = f"{'# ' if given is None else ''}{indent}{name}:{'' if value is None else f' {on_one_line(value)}'}"
    marked = "e.g.; " if given is None and info.default is None and example is not None else ""
    return f"{shown:<{COMMENT_COLUMN}}  # {marked}{info.description}"


def default_of(info: FieldInfo) -> object:
    """A key's default as it is written in the YAML; None where it is required, or has none."""
    default = None if info.is_required() else info.default
    for serializer in (part for part in info.metadata if isinstance(part, PlainSerializer)):
        default = serializer.func(default)  # type: ignore[call-arg]  # 0.1 of a share as 10%
    return default


def on_one_line(value: object) -> str:
    """A value as it stands in the YAML, on one line."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(on_one_line(item) for item in value)}]"
    text = dump_yaml(value).strip()
    return json.dumps(value) if "\n" in text else text


def section_of(info: FieldInfo) -> type[Section] | None:
    """The section a field holds, alone or in a list; None for a plain value."""
    parts = [part for part in (info.annotation, *get_args(info.annotation)) if isinstance(part, type)]
    return next((part for part in parts if not get_args(part) and issubclass(part, Section)), None)


def _seen_from(folder: Path, path: object) -> object:
    if not isinstance(path, str) or not Path(path).expanduser().exists():
        return path
    return os.path.relpath(Path(path).expanduser(), folder)
