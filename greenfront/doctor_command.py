"""`greenfront doctor`: what is wrong with the installation or the machine, and what mends it."""

import json as json_format
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from greenfront.checkup import Checked
from greenfront.terminal import Console

CHECKS = {
    "load": "hardware_profiles.machine_checks",  # first: the others make some themselves
    "python": "installation",
    "packages": "installation",
    "processors": "hardware_profiles.machine_checks",
    "governor": "hardware_profiles.machine_checks",
    "memory": "hardware_profiles.machine_checks",
    "disk": "hardware_profiles.machine_checks",
    "measuring": "hardware_profiles.machine_checks",
    "gpu": "hardware_profiles.machine_checks",
    "threads": "hardware_profiles.library_checks",
    "blas": "hardware_profiles.library_checks",
    "onnxruntime": "hardware_profiles.library_checks",
    "ray": "search.ray_check",
}
"""What is checked, and the module that does it, which is imported only when its turn comes."""
MARKS = {"fine": ("✓", "green"), "note": ("·", "yellow"), "mend": ("✗", "bold red")}


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing: the exit code says it.")] = False,
) -> None:
    """Check the installation and this machine; ends with 1 where something must be mended."""
    console = Console(quiet=json or quiet)
    found = []
    with console.status("looking at the machine"):
        for name, module in CHECKS.items():
            found.append(guarded(name, module))
            console.print(line(found[-1]))
    must = [checked.name for checked in found if checked.state == "mend"]
    if json:
        document = {"fine": not must, "checks": [asdict(checked) for checked in found]}
        sys.stdout.write(json_format.dumps(document, indent=1) + "\n")
    console.print(f"To be mended: {', '.join(must)}." if must else "Nothing has to be mended.", highlight=False)
    if must:
        raise typer.Exit(1)


def guarded(name: str, module: str) -> Checked:
    """What the check of this name finds; that it fails is a finding, too: whatever it needs is broken."""
    try:
        check: Callable[[], Checked] = getattr(import_module(f"greenfront.{module}"), f"check_{name}")
        return check()
    except Exception as error:  # a library that doesn't import may raise anything
        lines = [*str(error).strip().splitlines(), "no message"]
        what = f"could not be checked ({type(error).__name__}: {lines[0]})"
        return Checked(name, "mend", what, "install its packages anew")


def line(checked: Checked) -> Table:
    """One finding in the terminal, the remedy below it."""
    mark, style = MARKS[checked.state]
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=1)
    grid.add_column(width=11)
    grid.add_column(overflow="fold")
    grid.add_row(Text(mark, style=style), checked.name, Text(checked.found))
    if checked.remedy:
        grid.add_row("", "", Text(f"→ {checked.remedy}", style=style))
    return grid
