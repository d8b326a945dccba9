"""The commands that take a run folder.

Heavy libraries are imported inside them, so that `--help` answers at once.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.padding import Padding

from greenfront.errors import ConfigError, RunError
from greenfront.script_options import Json, Quiet, Run, console_of, write_json
from greenfront.terminal import Console


def show(
    run: Run,
    costs: Annotated[bool, typer.Option("--costs", help="Print every cost of the original and the front.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print front.json.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the front's ids, cheapest first.")] = False,
) -> None:
    """Print a run's front as a table; works on a running, interrupted or finished run."""
    from greenfront.search import Front, RunFolder, cost_tables, front_table
    from greenfront.search.status import is_finished, status

    folder = RunFolder.existing(run)
    front = Front.load(folder.front) if folder.front.exists() else None
    if front is None and (json or quiet):
        raise RunError(f"{run} has no front yet; `greenfront show {run}` shows its trials so far")
    if front is None or not (front.candidates or json or quiet):
        from greenfront.search.unfinished import unfinished

        Console().print(unfinished(folder), highlight=False)
        Console().print(status(folder, front), highlight=False, soft_wrap=True)
        return
    if json:
        sys.stdout.write(front.to_json())
        return
    if quiet:
        sys.stdout.write("".join(f"{member.id}\n" for member in front.members))
        return
    Console().print(cost_tables(front) if costs else front_table(front))
    if not is_finished(front):
        Console().print(status(folder, front), highlight=False, soft_wrap=True)


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
    id_only: Annotated[bool, typer.Option("--id-only", "--quiet", "-q", help="Print only the id.")] = False,
    json: Json = False,
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
    if json:
        write_json({
            "id": chosen.candidate.id, "reasons": chosen.reasons, "slack": chosen.slack,
            "candidate": chosen.candidate.to_dict(),
        })  # fmt: skip
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


def export(
    run: Run,
    id_: Annotated[str, typer.Argument(metavar="ID", help="The candidate's id, or `original`.", show_default=False)],
    to: Annotated[Path, typer.Option("--to", help="The folder to write.", show_default=False)],
    onnx: Annotated[bool, typer.Option("--onnx", help="Write model.onnx and an example of its use, too.")] = False,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run the run's metric, where it is a script of its own.")
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Write a candidate to a folder that `from_pretrained` loads, and compare it with what was searched."""
    console = console_of(quiet, json)
    from greenfront.console import ConsoleReporter
    from greenfront.search import RunFolder, exported_table
    from greenfront.search.export import export as write

    with ConsoleReporter(console) as report:
        done = write(RunFolder.existing(run), id_, to, onnx=onnx, trust_remote_code=trust_remote_code, report=report)
    if json:
        write_json({**asdict(done), "folder": str(done.folder)})
        return
    console.print(exported_table(done))
