"""The front as a table in the terminal."""

from rich import box
from rich.table import Table
from rich.text import Text

from greenfront.search import wording
from greenfront.search.candidate import Candidate
from greenfront.search.front import Front


def front_table(front: Front) -> Table:
    """One row per candidate, readable from 80 columns on: the original, the measured, fastest first.

    Costs are those on the first target; `~` marks a predicted one.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    table.add_column("", width=1)
    table.add_column("id", no_wrap=True)
    table.add_column("validation → test [95%]", no_wrap=True)
    table.add_column("ms (faster)", justify="right", no_wrap=True)
    table.add_column("MB (smaller)", justify="right", no_wrap=True)
    table.add_column("feasible", overflow="fold")
    table.add_row(*_row(front, front.original))
    for candidate in ordered(front):
        table.add_row(*_row(front, candidate), style="" if candidate.on_front else "dim")
    table.title = Text(f"{front.metric} and costs on {front.target}", style="bold", justify="left")
    table.caption = Text("★ on the front   ~ predicted, not measured", style="dim", justify="left")
    return table


def ordered(front: Front) -> list[Candidate]:
    """The candidates without the original: verified ones first, each part by latency on the first target."""
    return sorted(
        (candidate for candidate in front.candidates if candidate.id != front.original.id),
        key=lambda c: (not c.verified, c.costs()[front.target].latency_ms.median, c.id),
    )


def _row(front: Front, candidate: Candidate) -> list[Text]:
    own, reference = candidate.costs()[front.target], front.original.costs()[front.target]
    tilde = "~" if candidate.cost is None else ""
    score = candidate.score
    accuracy = wording.score(score.validation)
    if score.test is not None:
        accuracy += f" → {wording.score(score.test)} {wording.interval(score.test_interval)}".rstrip()
    ms, original_ms = own.latency_ms.median, reference.latency_ms.median
    faster = wording.ratio(original_ms, ms)
    smaller = wording.ratio(reference.size_mb, own.size_mb)
    verdict = "yes" if candidate.feasible else "no: " + ", ".join(map(wording.plain, candidate.missed))
    return [
        Text("★" if candidate.on_front else ""),
        Text(candidate.id, style="bold" if candidate.on_front else ""),
        Text(accuracy),
        Text(f"{tilde}{wording.number(ms)} ({faster})"),
        Text(f"{tilde}{wording.number(own.size_mb)} ({smaller})"),
        Text(verdict, style="" if candidate.feasible else "red"),
    ]
