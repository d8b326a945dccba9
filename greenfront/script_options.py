"""What commands have in common: a run folder, and for scripts silence and results as JSON."""

import json as json_format
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from greenfront.terminal import Console

Run = Annotated[Path, typer.Argument(help="The run folder.", show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and all else to stderr.")]


def console_of(quiet: bool, json: bool) -> Console:
    """Where a command says what it does: nowhere, on stderr beside JSON, or on stdout."""
    return Console(quiet=quiet, stderr=json)


def write_json(document: Any) -> None:
    """One JSON document to stdout."""
    sys.stdout.write(json_format.dumps(document, indent=1, allow_nan=False) + "\n")
