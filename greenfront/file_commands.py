"""The commands that take a configuration file.

Heavy libraries are imported inside them, so that `--help` answers at once.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from greenfront.script_options import Json, Quiet, console_of, write_json
from greenfront.terminal import Console

File = Annotated[Path, typer.Argument(help="The YAML file (`greenfront init` writes one).", show_default=False)]
Elsewhere = Annotated[
    bool, typer.Option("--elsewhere", help="Only predict targets whose profile is of another machine.")
]


def check(file: File, elsewhere: Elsewhere = False, quiet: Quiet = False, json: Json = False) -> None:
    """Validate a configuration and show what would be searched, without training."""
    from greenfront.config import load_config

    config = load_config(file)
    from greenfront.overview import overview_document, print_overview
    from greenfront.search import overview, resolve_targets

    config = resolve_targets(config, elsewhere=elsewhere)
    found = overview(config)
    print_overview(found, config, console_of(quiet, json))
    if json:
        write_json(overview_document(found))


def measure(
    file: File,
    to: Annotated[Path | None, typer.Option("--to", help="A file or folder; default: TARGET.json here.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
) -> None:
    """Measure the targets of a configuration and write their profiles, without searching."""
    from greenfront.config import load_config

    config = load_config(file)
    from greenfront.search.profiling import profile_files, profile_targets

    files = profile_files(config, to, force=force)
    console = Console()
    from greenfront.console import ConsoleReporter
    from greenfront.profile_table import print_profile
    from greenfront.search import resolve_targets

    with ConsoleReporter(console) as report:
        profiles = profile_targets(resolve_targets(config), files, report)
    for name, profile in profiles.items():
        print_profile(profile, files[name], console)


def search(
    file: File,
    elsewhere: Elsewhere = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Begin no further trial: measure and test what an earlier start found.")
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Search, verify and write the run folder; continues an earlier start, or takes a finished run up."""
    from greenfront.config import load_config

    config = load_config(file)
    assert config.output is not None
    console = console_of(quiet, json)
    from greenfront.console import ConsoleReporter
    from greenfront.search import Front, check_reopened, front_table, resolve_targets, run_search

    config = resolve_targets(config, elsewhere=elsewhere)
    run = check_reopened(config)
    try:
        with ConsoleReporter(console, run.log) as report:
            run_search(config, report, trials=not verify)
    except KeyboardInterrupt:
        again = f"greenfront search {escape(str(file))}"
        console.print(
            f"`{again}` goes on; with --verify it measures and tests what is there", highlight=False, soft_wrap=True
        )
        raise
    finally:
        front = Front.load(run.front) if run.front.exists() else None
        if front is not None and json:
            sys.stdout.write(front.to_json())
        elif front is not None and front.candidates:  # else it ended before there was any
            console.print(front_table(front))
            here = os.path.relpath(run.path)
            console.print(
                f"Results: {escape(here)}/report.html, front.png, front.json\n"
                f"Next:    greenfront select {escape(here)} --knee", highlight=False, soft_wrap=True,
            )  # fmt: skip


def analyze(
    file: File,
    focus: Annotated[
        str, typer.Option(help="speed, size or accuracy: what is tried first, at how much loss.")
    ] = "speed",
    elsewhere: Elsewhere = False,
) -> None:
    """Show which blocks, heads and neurons the model's answers need; nothing is searched."""
    from greenfront.config import load_config

    config = load_config(file)
    console = Console()
    from greenfront.console import ConsoleReporter
    from greenfront.search import RunFolder, resolve_targets
    from greenfront.search.analysis import analyze_run, as_focus
    from greenfront.search.analysis_table import analysis_table

    wanted, config = as_focus(focus), resolve_targets(config, elsewhere=elsewhere)
    run = RunFolder.check(config)
    with ConsoleReporter(console, run.log) as report:
        found = analyze_run(config, wanted, report)
    console.print(analysis_table(found))
    here = os.path.relpath(run.path)
    console.print(f"Results: {escape(here)}/analysis.html, analysis.json", highlight=False, soft_wrap=True)
