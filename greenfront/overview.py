"""How `greenfront check` shows what would be searched."""

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from greenfront.config import RunConfig
from greenfront.time_left import duration
from greenfront.units import format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greenfront.search import Overview
    from greenfront.spaces import Choice, Site
    from greenfront.spaces.plan import Value


def print_overview(found: "Overview", config: RunConfig, console: Console) -> None:
    """Model, data, sites with their settings, size of the space, estimated time."""
    from greenfront.search.metric_check import trusted_code  # knows PyTorch

    head = ", its head is untrained: it is fine-tuned first" if found.head_untrained else ""
    counts = ", ".join(f"{count:,} {name}" for name, count in found.examples.items())
    labels = f"; {len(found.labels)} labels: {', '.join(found.labels[:8])}" if found.labels else ""
    console.print(f"Model    {found.model}, {found.parameters / 1e6:.1f} M parameters{head}", highlight=False)
    console.print(f"Data     {counts}{escape(labels)}", highlight=False)
    if (code := trusted_code(config)) is not None:
        console.print(f"Code     {escape(code)}", highlight=False)
    for target in config.hardware:
        threads = "1 thread" if target.threads == 1 else f"{target.threads} threads"
        compiled = " compiled" if target.compile else ""
        where = ", predicted from a profile measured elsewhere" if target.elsewhere else ""
        where = f", measured on the node with {target.resource}" if target.resource else where
        console.print(
            f"Target   {target.name}: {target.device}, {target.runtime}{compiled}, {threads}, "
            f"batch {target.batch_size} x {config.target_length(target)} tokens{escape(where)}",
            highlight=False,
        )
    console.print(_sites(found.space.choices))
    for refusal in found.space.refusals:
        console.print(
            f"{refusal.method} leaves {refusal.path or 'the model'} alone: {escape(refusal.reason)}",
            highlight=False,
        )
    console.print(
        f"Space    {len(found.space.choices)} choices at {len(found.space.sites)} sites, "
        f"{format_count(found.space.size)} plans; settings that turn out no cheaper when measured are left out",
        highlight=False,
    )
    stages = ", ".join(f"{name} {duration(seconds)}" for name, seconds in found.seconds.items() if seconds)
    about = f"Time     about {duration(sum(found.seconds.values()))}, if nothing else runs here: {stages}"
    console.print(about, highlight=False)


def overview_document(found: "Overview") -> dict[str, Any]:
    """The same for scripts; `seconds` are estimates."""
    return {
        "model": found.model, "parameters": found.parameters, "head_untrained": found.head_untrained,
        "examples": found.examples, "labels": list(found.labels),
        "space": {
            "choices": len(found.space.choices), "sites": len(found.space.sites), "plans": float(found.space.size),
            "refusals": [
                {"method": each.method, "path": each.path, "reason": each.reason} for each in found.space.refusals
            ],
        },
        "seconds": {name: round(seconds, 1) for name, seconds in found.seconds.items()},
    }  # fmt: skip


def _sites(choices: "tuple[Choice, ...]") -> Table:
    """Choices by what is offered, for which kind of module and shape."""
    from greenfront.spaces.compression import method_name, method_of  # knows PyTorch

    groups: dict[tuple[str, str, str, str], int] = defaultdict(int)
    for choice in choices:
        offered: dict[tuple[str, str], list[Value]] = defaultdict(list)
        for settings in choice.settings:
            key = method_of(settings).keys[0]
            offered[method_name(choice, settings), key].append(settings[key])
        for (name, key), amounts in offered.items():
            groups[name, choice.site.kind, _shape(choice.site), f"{key} {_range(amounts)}"] += 1
    table = Table("method", "sites", "kind", "shape", "offered", box=None, header_style="bold")
    for (name, kind, shape, text), count in groups.items():
        table.add_row(name, str(count), kind, shape, text)
    return table


def _shape(site: "Site") -> str:
    first, second = site.shape
    if site.kind == "layer":
        return f"{(first + second) / 1e6:.1f} M parameters"
    return f"{first} heads x {second}" if site.kind == "attention" else f"{first} x {second}"


def _range(amounts: "Sequence[Value]") -> str:
    """`8 to 184 (23)`, or all of a few, or of those that are no numbers."""
    if len(amounts) > 3 and all(isinstance(amount, int) for amount in amounts):
        return f"{amounts[0]} to {amounts[-1]} ({len(amounts)})"
    return ", ".join(map(str, amounts))
