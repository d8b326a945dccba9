"""The command line: `greenfront init`, `doctor`, `check`, `measure`, `search`, `analyze`, `show`, `select`, `export`,
`watch`.

Exit codes: 0 done, 1 failed, 2 can't be used, 3 no candidate meets every budget, 130 interrupted.
"""

import functools
import os
from collections.abc import Callable
from typing import ParamSpec

import typer
from rich.markup import escape

from greenfront import doctor_command, file_commands, init_command, run_commands, watch_command
from greenfront.durable import KEPT, UNWRITABLE
from greenfront.errors import GreenfrontError
from greenfront.interrupts import interruptible
from greenfront.terminal import Console

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich",
    help="Make a trained transformer as small and fast as a machine needs, and prove it on that machine.",
)  # fmt: skip
P = ParamSpec("P")


def main() -> None:
    """The entry point."""
    app()


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Deliberate errors, and disks that can't be written, end in one message and a code; an interrupt in 130."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        # The models and data here are local or cached; a search that met the network half-way could not be repeated.
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
        try:
            with interruptible():
                command(*args, **kwargs)
        except GreenfrontError as error:
            Console(stderr=True).print(
                f"[bold red]error:[/bold red] {escape(str(error))}", highlight=False, soft_wrap=True
            )
            raise typer.Exit(error.exit_code) from error
        except OSError as error:
            if error.errno not in UNWRITABLE:
                raise
            Console(stderr=True).print(
                f"[bold red]error:[/bold red] {escape(str(error))}; {KEPT}", highlight=False, soft_wrap=True
            )
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:
            Console(stderr=True).print("interrupted; what is done is kept", highlight=False)
            raise typer.Exit(130) from error

    return run


app.command()(guarded(init_command.init))
app.command()(guarded(doctor_command.doctor))
app.command()(guarded(file_commands.check))
app.command()(guarded(file_commands.measure))
app.command()(guarded(file_commands.search))
app.command()(guarded(file_commands.analyze))
app.command()(guarded(run_commands.show))
app.command()(guarded(run_commands.select))
app.command()(guarded(run_commands.export))
app.command()(guarded(watch_command.watch))
