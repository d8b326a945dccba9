"""A significance analysis as a table for the terminal: the decisions, a row per layer."""

from collections import Counter
from collections.abc import Sequence

from rich import box
from rich.table import Table

from greenfront.evaluators import Analysis, Finding
from greenfront.search import wording


def analysis_table(analysis: Analysis) -> Table:
    """What became of each layer's blocks, their heads and groups of neurons; in brackets what each block cost."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in ("layer", "attention (nats)", "heads", "feed-forward (nats)", "neurons, in eighths"):
        table.add_column(title, no_wrap=True)
    for layer in range(analysis.layers):
        cells = []
        for kind in ("attention", "feed_forward"):
            parts = [part for part in analysis.parts if (part.layer, part.kind) == (layer, kind)]
            cells += [
                "\n".join(f"{part.decision} ({wording.number(part.significance)})" for part in parts),
                "\n".join(_counted(analysis.children(part)) for part in parts),
            ]
        table.add_row(str(layer), *cells)
    return table


def _counted(children: Sequence[Finding]) -> str:
    """How many were decided on how: `3 prune, 1 approximate, 8 keep`."""
    counts = Counter(child.decision for child in children)
    return ", ".join(f"{counts[d]} {d}" for d in ("prune", "approximate", "keep") if counts[d])
