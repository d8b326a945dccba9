"""How `greenfront measure` shows what it has measured."""

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from greenfront.config import COST_OF

if TYPE_CHECKING:
    from pathlib import Path

    from greenfront.hardware_profiles import HardwareProfile


def print_profile(profile: "HardwareProfile", path: "Path", console: Console) -> None:
    """Every cost of the original, how far predictions were off, warnings, and where the profile is."""
    from greenfront.search import wording
    from greenfront.search.profiles import refusals

    target, cost = profile.target, profile.original
    threads = "1 thread" if target.threads == 1 else f"{target.threads} threads"
    machine = f"{profile.fingerprint.processor}, {target.runtime}{' compiled' if target.compile else ''}, {threads}"
    table = Table("cost of the original", "", "95% interval", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.columns[1].justify = "right"
    for name in COST_OF.values():
        interval = ""
        if name == "latency_ms":
            interval = f"[{wording.number(cost.latency_ms.low)}, {wording.number(cost.latency_ms.high)}]"
        table.add_row(wording.title(name, [cost]), wording.cost(name, cost.value(name)), escape(interval))
    console.print(f"[bold]{target.name}[/bold]: {escape(machine)}", highlight=False)
    console.print(
        f"a query is {target.batch_size} x {target.sequence_length} tokens, a large one "
        f"{target.large_batch} x {target.sequence_length}", highlight=False,
    )  # fmt: skip
    console.print(table)
    for what, error in (("latency", profile.error), ("large queries", profile.large_batch.error)):
        if error is not None:
            console.print(
                f"Predicted {what} of {error.plans} held-out candidates: off by {error.median:.1%} (median), "
                f"{error.p95:.1%} (95th percentile), {error.worst:.1%} (worst)", highlight=False,
            )  # fmt: skip
    for warning in (*refusals(profile), *profile.warnings):
        console.print(f"[yellow]warning:[/yellow] {escape(warning)}", highlight=False, soft_wrap=True)
    console.print(f"{escape(str(path))} written", highlight=False, soft_wrap=True)
