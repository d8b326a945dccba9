"""The command line: `greenfront init`, `check`, `measure`, `search`, `analyze`, `show`, `select`, `export`.

Exit codes: 0 done, 1 failed, 2 can't be used, 3 no candidate meets every budget, 130 interrupted.
Heavy libraries are imported inside the commands, so that `--help` answers at once.
"""

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from greenfront.errors import ConfigError, GreenfrontError
from greenfront.interrupts import interruptible

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich",
    help="Make a trained transformer as small and fast as a machine needs, and prove it on that machine.",
)  # fmt: skip
P = ParamSpec("P")
File = Annotated[Path, typer.Argument(help="The YAML file (`greenfront init` writes one).", show_default=False)]
Elsewhere = Annotated[
    bool, typer.Option("--elsewhere", help="Only predict targets whose profile is of another machine.")
]
Run = Annotated[Path, typer.Argument(help="The run folder.", show_default=False)]


def main() -> None:
    """The entry point."""
    app()


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Deliberate errors end in one message and their exit code; an interrupt in 130."""

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
        except KeyboardInterrupt as error:
            Console(stderr=True).print("interrupted; what is done is kept", highlight=False)
            raise typer.Exit(130) from error

    return run


@app.command()
@guarded
def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("greenfront.yaml"),
    model: Annotated[str | None, typer.Option(help="A model folder or hub id.")] = None,
    task: Annotated[str | None, typer.Option(help="Such as text-classification or question-answering.")] = None,
    train: Annotated[str | None, typer.Option(help="The training data: a CSV, JSON or Parquet file.")] = None,
    test: Annotated[str | None, typer.Option(help="The test data.")] = None,
    text: Annotated[str | None, typer.Option(help="The column with the text, the image or the context.")] = None,
    label: Annotated[str | None, typer.Option(help="The column with the label, or the answers.")] = None,
) -> None:
    """Write a commented configuration file."""
    from greenfront.template import render_template

    if path.exists():
        raise ConfigError(f"{path} exists; nothing was written over")
    given = {"model": model, "task": task, "train": train, "test": test, "column": text, "label": label}
    content = render_template(**{name: value for name, value in given.items() if value}, folder=path.parent)
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}") from error
    Console().print(
        f"{escape(str(path))} written. Edit its model and data, then:\n"
        f"  greenfront check {escape(str(path))}\n  greenfront search {escape(str(path))}", highlight=False,
    )  # fmt: skip


@app.command()
@guarded
def check(file: File, elsewhere: Elsewhere = False) -> None:
    """Validate a configuration and show what would be searched, without training."""
    from greenfront.config import load_config

    config = load_config(file)
    from greenfront.overview import print_overview
    from greenfront.search import overview, resolve_targets

    config = resolve_targets(config, elsewhere=elsewhere)
    print_overview(overview(config), config, Console())


@app.command()
@guarded
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


@app.command()
@guarded
def search(file: File, elsewhere: Elsewhere = False) -> None:
    """Search, verify and write the run folder; continues an earlier start of the same file."""
    from greenfront.config import load_config

    config = load_config(file)
    assert config.output is not None
    console = Console()
    from greenfront.console import ConsoleReporter
    from greenfront.search import Front, RunFolder, front_table, resolve_targets, run_search

    config = resolve_targets(config, elsewhere=elsewhere)
    run = RunFolder.create(config)
    try:
        with ConsoleReporter(console, run.log) as report:
            run_search(config, report)
    finally:
        front = Front.load(run.front) if run.front.exists() else None
        if front is not None and front.candidates:  # else it ended before there was any
            console.print(front_table(front))
            here = os.path.relpath(run.path)
            console.print(
                f"Results: {escape(here)}/report.html, front.png, front.json\n"
                f"Next:    greenfront select {escape(here)} --knee", highlight=False, soft_wrap=True,
            )  # fmt: skip


@app.command()
@guarded
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
    run = RunFolder.create(config)
    with ConsoleReporter(console, run.log) as report:
        found = analyze_run(config, run, wanted, report)
    console.print(analysis_table(found))
    here = os.path.relpath(run.path)
    console.print(f"Results: {escape(here)}/analysis.html, analysis.json", highlight=False, soft_wrap=True)


@app.command()
@guarded
def show(
    run: Run,
    costs: Annotated[bool, typer.Option("--costs", help="Print every cost of the original and the front.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print front.json.")] = False,
) -> None:
    """Print a run's front as a table; works on a running, interrupted or finished run."""
    from greenfront.search import Front, RunFolder, cost_tables, front_table

    folder = RunFolder.existing(run)
    front = Front.load(folder.front) if folder.front.exists() else None
    if front is None or not (front.candidates or json):
        from greenfront.search.unfinished import unfinished

        Console().print(unfinished(folder), highlight=False)
        return
    if json:
        sys.stdout.write(front.to_json())
        return
    Console().print(cost_tables(front) if costs else front_table(front))


@app.command()
@guarded
def select(
    run: Run,
    latency: Annotated[str | None, typer.Option(help="At most, e.g. `5ms` or `50%` of the original.")] = None,
    latency_p90: Annotated[str | None, typer.Option(help="At most, e.g. `6ms` or `50%`.")] = None,
    large_batch_latency: Annotated[str | None, typer.Option(help="At most, e.g. `90ms` or `50%`.")] = None,
    throughput: Annotated[str | None, typer.Option(help="At least, e.g. `200/s` or `150%`.")] = None,
    size: Annotated[str | None, typer.Option(help="At most, e.g. `30MB` or `50%`.")] = None,
    memory: Annotated[str | None, typer.Option(help="At most, e.g. `400MB` or `80%`.")] = None,
    parameters: Annotated[str | None, typer.Option(help="At most, e.g. `10M` or `50%`.")] = None,
    flops: Annotated[str | None, typer.Option(help="At most, e.g. `2G` or `50%`.")] = None,
    energy: Annotated[str | None, typer.Option(help="At most, of a query, e.g. `20mJ` or `50%`.")] = None,
    co2: Annotated[str | None, typer.Option(help="At most, of a million queries, e.g. `5g` or `50%`.")] = None,
    money: Annotated[str | None, typer.Option(help="At most, of a million queries, e.g. `0.01` or `50%`.")] = None,
    accuracy_drop: Annotated[str | None, typer.Option(help="At most, e.g. `1%` of the original's score.")] = None,
    knee: Annotated[bool, typer.Option("--knee", help="Where more speed begins to cost much accuracy.")] = False,
    fastest: Annotated[bool, typer.Option("--fastest", help="The fastest that meets the wishes.")] = False,
    most_accurate: Annotated[bool, typer.Option("--most-accurate", help="The most accurate.")] = False,
    id_only: Annotated[bool, typer.Option("--id-only", help="Print only the id, for scripts.")] = False,
) -> None:
    """Pick a candidate from a run's front, and say why."""
    from greenfront import api
    from greenfront.units import parse_share

    preferences = [n for n, on in (("knee", knee), ("fastest", fastest), ("most_accurate", most_accurate)) if on]
    if len(preferences) > 1:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in preferences)
        raise ConfigError(f"only one preference can be asked for, but got {names}")
    bounds = {
        "latency": latency, "latency_p90": latency_p90, "large_batch_latency": large_batch_latency,
        "throughput": throughput, "size": size, "memory": memory, "parameters": parameters, "flops": flops,
        "energy": energy, "co2": co2, "money": money,
    }  # fmt: skip
    wishes: dict[str, Any] = {name: bound for name, bound in bounds.items() if bound is not None}
    if accuracy_drop is not None:
        wishes["accuracy_drop"] = parse_share(accuracy_drop, "--accuracy-drop")
    chosen = api.select(run, **wishes, prefer=preferences[0] if preferences else None)
    if id_only:
        sys.stdout.write(chosen.candidate.id + "\n")
        return
    console = Console()
    console.print(f"[bold]{chosen.candidate.id}[/bold]", highlight=False)
    for reason in chosen.reasons:
        console.print(Padding(escape(reason), (0, 0, 0, 2)), highlight=False)
    console.print(
        f"\ngreenfront export {escape(str(run))} {chosen.candidate.id} --to DIR",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
@guarded
def export(
    run: Run,
    id_: Annotated[str, typer.Argument(metavar="ID", help="The candidate's id, or `original`.", show_default=False)],
    to: Annotated[Path, typer.Option("--to", help="The folder to write.", show_default=False)],
    onnx: Annotated[bool, typer.Option("--onnx", help="Write model.onnx and an example of its use, too.")] = False,
) -> None:
    """Write a candidate to a folder that `from_pretrained` loads, and compare it with what was searched."""
    console = Console()
    from greenfront.console import ConsoleReporter
    from greenfront.search import RunFolder, exported_table
    from greenfront.search.export import export as write

    with ConsoleReporter(console) as report:
        done = write(RunFolder.existing(run), id_, to, onnx=onnx, report=report)
    console.print(exported_table(done))
