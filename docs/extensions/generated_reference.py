"""Pages whose text is in the code: the configuration's keys from its sections, the commands from the command line.

A page says where, by a line `<!-- generated: configuration -->` or `<!-- generated: commands -->`.
"""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pydantic.fields import FieldInfo
from typer import Context
from typer.cli import get_docs_for_click
from typer.core import TyperGroup
from typer.main import get_command

from greenfront.cli import app
from greenfront.config import RunConfig
from greenfront.template import default_of, on_one_line, section_of

if TYPE_CHECKING:
    from sphinx.application import Sphinx

MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def configuration() -> str:
    """Every section of the YAML with a table of its keys, in the order of the file that `greenfront init` writes."""
    loose = {name: info for name, info in RunConfig.model_fields.items() if section_of(info) is None}
    parts = [part for name, info in RunConfig.model_fields.items() for part in _part(name, info)]
    return "\n\n".join([*parts, "## At the top level", _table(loose)])


def commands() -> str:
    """Every command with what it says of itself, its arguments and its options, as `typer ... utils docs` has it."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    context = Context(group, info_name="greenfront")
    return "\n".join(
        get_docs_for_click(obj=command, ctx=context, call_prefix="greenfront", indent=1)
        for command in group.commands.values()
    )


GENERATED: dict[str, Callable[[], str]] = {"configuration": configuration, "commands": commands}


def setup(app: "Sphinx") -> dict[str, Any]:
    """Sphinx's entry point."""
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True}


def _fill(_app: "Sphinx", _page: str, source: list[str]) -> None:
    source[0] = MARK.sub(lambda mark: GENERATED[mark[1]](), source[0])


def _part(dotted: str, info: FieldInfo) -> Iterator[str]:
    """A section's heading, explanation and table; then the sections inside it."""
    section = section_of(info)
    if section is None:
        return
    keys = {name: field for name, field in section.model_fields.items() if section_of(field) is None}
    yield f"{'#' * (2 + dotted.count('.'))} `{dotted}`"
    yield " ".join((section.__doc__ or "").split())
    yield _table(keys)
    for name, field in section.model_fields.items():
        yield from _part(f"{dotted}.{name}", field)


def _table(fields: dict[str, FieldInfo]) -> str:
    rows = ["| key | default | what it says |", "|---|---|---|"]
    rows += [f"| `{name}` | {_default(info)} | {_cell(_said(info))} |" for name, info in fields.items()]
    return "\n".join(rows)


def _said(info: FieldInfo) -> str:
    """The description, with an example where no default shows what a value looks like."""
    example = f" (e.g. `{on_one_line(info.examples[0])}`)" if info.examples and info.default is None else ""
    return f"{info.description}{example}"


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    default = default_of(info)
    return "" if default is None else f"`{on_one_line(default)}`"


def _cell(text: str) -> str:
    """On one line, with what would end a cell or begin HTML escaped."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
