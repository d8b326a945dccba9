"""The front as tables in the terminal: all candidates at a glance, and every cost beside the original's."""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from greenfront.config import CostName
from greenfront.search import wording
from greenfront.search.candidate import Candidate
from greenfront.search.front import Front

BESIDE = 3
"""So many members of the front stand beside the original in one table: what fits into 100 columns."""


def front_table(front: Front) -> Group:
    """A table per target: the original, the verified candidates, fastest first. `~` marks a predicted cost.

    For 80 columns; peak memory makes it 95 where the run looks at it.
    """
    return Group(*(_candidates(front, target) for target in front.targets))


def cost_tables(front: Front) -> Group:
    """Every cost of the original and the front on every target, with ratios: blocks of `BESIDE` members."""
    blocks: list[RenderableType] = []
    for target in front.targets:
        members = front.members_on(target)
        for start in range(0, max(len(members), 1), BESIDE):
            blocks += [_block(front, target, members[start : start + BESIDE]), ""]
    return Group(*blocks[:-1])


def cost_rows(front: Front, target: str, candidates: Sequence[Candidate]) -> list[list[str]]:
    """The score, and a row per cost: its name, the original's, and each candidate's with its ratio to the original.

    `~` marks a predicted cost.
    """
    everyone = (front.original, *candidates)
    costs = [candidate.costs()[target] for candidate in everyone]
    tildes = ["" if candidate.measured(target) else "~" for candidate in everyone]

    def shown(name: CostName) -> list[str]:
        reference, *values = (cost.value(name) for cost in costs)
        cells = [
            f"{tilde}{wording.cost(name, value)} ({wording.ratio(name, reference, value)})"
            for tilde, value in zip(tildes[1:], values, strict=True)
        ]
        return [wording.title(name, costs), tildes[0] + wording.cost(name, reference), *cells]

    scores = [wording.score(candidate.score.validation, front.metric) for candidate in everyone]
    return [[f"{front.metric} on validation", *scores], *(shown(name) for name in wording.WORDS)]


def ordered(front: Front, target: str) -> list[Candidate]:
    """The candidates without the original: verified ones first, each part by latency on the target."""
    return sorted(
        (candidate for candidate in front.candidates if candidate.id != front.original.id),
        key=lambda c: (not c.verified, c.costs()[target].latency_ms.median, c.id),
    )


def _candidates(front: Front, target: str) -> Table:
    members = {member.id for member in front.members_on(target)}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    finished = any(candidate.finished for candidate in front.candidates)
    table.add_column("", width=2 if finished else 1)
    table.add_column("id", no_wrap=True)
    table.add_column("validation → test [95%]", no_wrap=True)
    table.add_column("ms (faster)", justify="right", no_wrap=True)
    table.add_column("MB (smaller)", justify="right", no_wrap=True)
    if _looks_at_memory(front):
        table.add_column("memory (less)", justify="right", no_wrap=True)
    table.add_column("feasible", overflow="fold")
    for candidate in (front.original, *ordered(front, target)):
        dim = candidate.id not in members and candidate.id != front.original.id
        table.add_row(*_row(front, candidate, target, candidate.id in members), style="dim" if dim else "")
    away = front.original.verified and not front.original.measured(target)
    where = f"{target}, predicted: its profile was measured elsewhere" if away else target
    table.title = Text(f"{front.metric} and costs on {where}", style="bold", justify="left")
    memory = "   memory: peak of the process, in MB" if _looks_at_memory(front) else ""
    longer = "   + finished: distilled for longer" if finished else ""
    table.caption = Text(f"★ on the front   ~ predicted, not measured{longer}{memory}", style="dim", justify="left")
    return table


def _row(front: Front, candidate: Candidate, target: str, member: bool) -> list[Text]:
    own, reference = candidate.costs()[target], front.original.costs()[target]
    tilde = "" if candidate.measured(target) else "~"
    score = candidate.score
    accuracy = wording.score(score.validation, front.metric)
    if score.test is not None:
        accuracy += f" → {wording.tested(score)}"
    shown: list[CostName] = ["latency_ms", "size_mb"]
    if _looks_at_memory(front):
        shown.append("peak_memory_mb")
    costs = [
        f"{tilde}{wording.number(own.value(name))} ({wording.ratio(name, reference.value(name), own.value(name))})"
        for name in shown
    ]
    verdict = "yes" if candidate.feasible else "no: " + ", ".join(map(wording.plain, candidate.missed))
    return [
        Text(("★" if member else "") + ("+" if candidate.finished else "")),
        Text(candidate.id, style="bold" if member else ""),
        Text(accuracy),
        *map(Text, costs),
        Text(verdict, style="" if candidate.feasible else "red"),
    ]


def _looks_at_memory(front: Front) -> bool:
    return "memory" in front.objectives or front.budgets.memory is not None


def _block(front: Front, target: str, members: Sequence[Candidate]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.title = Text(f"costs on {target} (times better than the original)", style="bold", justify="left")
    table.add_column("", max_width=28)
    for candidate in (front.original, *members):
        table.add_column(Text(candidate.id), justify="right", no_wrap=True)
    for row in cost_rows(front, target, members):
        table.add_row(*map(Text, row))
    return table
