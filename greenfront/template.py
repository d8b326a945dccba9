"""The commented YAML that `greenfront init` writes, made from the configuration's own fields."""

import json
import os
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


def render_template(
    *,
    model: str = "sentence-transformers/all-MiniLM-L6-v2",
    task: str = "text-classification",
    train: str = "train.csv",
    test: str | None = None,
    column: str | None = None,
    label: str = "label",
    folder: Path | None = None,
) -> str:
    """A YAML file with every section and key; what isn't given stands there commented out.

    Args:
        model: a folder or hub id.
        train, test: data files.
        column: the column with the text (or the image or the context, by `task`).
        label: the column with the label (or the answers).
        folder: where the YAML will stand; paths that exist are written as seen from there.

    Raises:
        ConfigError: an unknown task.
    """
    if task not in get_args(Task):
        raise ConfigError(f"task: must be one of {', '.join(get_args(Task))}, but got {task!r}")
    paths = {"path": model, "train": train, "test": test}
    if folder is not None:
        paths = {key: _seen_from(folder, path) for key, path in paths.items()}
    given: dict[str, dict[str, Any]] = {
        "model": {"path": paths["path"], "task": task},
        "data": {"train": paths["train"], "test": paths["test"], **_columns(task, column, label)},
    }
    lines = [HEAD]
    for name, info in RunConfig.model_fields.items():
        lines += [*_render(name, info, given.get(name, {}), ""), ""]
    return "\n".join(lines)


def _columns(task: str, column: str | None, label: str) -> dict[str, str]:
    """The keys that name a task's columns; the first holds what is read, the last what is right."""
    if task == "question-answering":
        answers = "answers" if label == "label" else label
        return {"context": column or "context", "question": "question", "answers": answers}
    kind = "image" if task == "image-classification" else "text"
    return {kind: column or kind, **({} if task == "causal-language-modelling" else {"label": label})}


def _render(name: str, info: FieldInfo, given: Mapping[str, Any], indent: str) -> Iterator[str]:
    """The lines of one key: of a section with its explanation and keys, else one line with a comment."""
    section = _section(info)
    if section is None:
        yield _line(name, info, given.get(name), indent)
        return
    mark = "" if given else "# "
    yield f"## {indent}{(section.__doc__ or '').splitlines()[0]}"
    yield f"{mark}{indent}{name}:"
    below = f"{indent}  "
    if name == "hardware":  # a list: the first key opens its item
        yield "##   One target, or several with names of their own; all budgets have to hold on each."
        for number, (key, field) in enumerate(section.model_fields.items()):
            yield _line(key, field, None, f"{below}  " if number else f"{below}- ")
        return
    for key, field in section.model_fields.items():
        yield from _render(key, field, given if key in given else {}, below)


def _line(name: str, info: FieldInfo, given: object, indent: str) -> str:
    example = info.examples[0] if info.examples else None
    default = None if info.is_required() else info.default
    for serializer in (part for part in info.metadata if isinstance(part, PlainSerializer)):
        default = serializer.func(default)  # type: ignore[call-arg]  # 0.1 of a share as 10%
    value = next((value for value in (given, default, example) if value is not None), None)
    shown = f"{'# ' if given is None else ''}{indent}{name}:{'' if value is None else f' {_flow(value)}'}"
    marked = "e.g.; " if given is None and info.default is None and example is not None else ""
    return f"{shown:<{COMMENT_COLUMN}}  # {marked}{info.description}"


def _flow(value: object) -> str:
    """A value on one line."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(_flow(item) for item in value)}]"
    text = dump_yaml(value).strip()
    return json.dumps(value) if "\n" in text else text


def _section(info: FieldInfo) -> type[Section] | None:
    """The section a field holds, alone or in a list; None for a plain value."""
    parts = [part for part in (info.annotation, *get_args(info.annotation)) if isinstance(part, type)]
    return next((part for part in parts if not get_args(part) and issubclass(part, Section)), None)


def _seen_from(folder: Path, path: str | None) -> str | None:
    if path is None or not Path(path).expanduser().exists():
        return path
    return os.path.relpath(Path(path).expanduser(), folder)
