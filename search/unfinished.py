"""What can be said of a run that has no front yet, or found nothing to put on one."""

from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from greenfront.errors import BudgetError, GreenfrontError
from greenfront.search import wording
from greenfront.search.journal import Result, results_in
from greenfront.search.run_folder import RunFolder
from greenfront.search.slack import binding, least
from greenfront.search.training_words import paused_words, untrained_words

LAST_BYTES = 10_000
"""Of a log, in which its last line is looked for."""


def unfinished(run: RunFolder) -> RenderableType:
    """The scored trials so far, best first, from the journal; only reads.

    Raises:
        RunError: a configuration that can't be read any more.
    """
    head = f"{escape(str(run.path))} has no front yet. Last: {escape(_last_line(run.log))}"
    results = results_in(run.study)
    failed = [result.reason for result in results if result.state == "failed"]
    if failed:
        head += f"\n{wording.counted(len(failed), 'trial')} failed, the last: {escape(failed[-1])}"
    scored = [(_nats(result), result) for result in results if result.state in ("scored", "paused")]
    if not scored:
        return head
    metric = run.load_config().data.metric
    table = Table("id", metric, "divergence (nats)", "came from", box=None, header_style="bold")
    for nats, result in sorted(scored, key=lambda each: each[0]):
        how = [escape(result.origin)]
        how += [paused_words(result)] if result.state == "paused" else []
        how += [untrained_words(result)] if result.untrained else []
        table.add_row(
            result.plan.id, wording.score(result.validation, metric), wording.number(nats), ", ".join(how)
        )  # fmt: skip
    return Group(head, table)


def nothing_scored(results: Sequence[Result], slacks: Mapping[str, Mapping[str, float]]) -> GreenfrontError:
    """Why a search ended without a single scored candidate; `slacks` are the predicted ones by plan id."""
    failed = [result for result in results if result.state == "failed"]
    if failed or not slacks:
        last = failed[-1].reason if failed else "none was proposed"
        return GreenfrontError(f"no candidate could be scored: {len(failed)} trials failed, the last because: {last}")
    closest = max(slacks, key=lambda id_: least(slacks[id_]))
    return BudgetError(
        f"no plan was found that meets every budget at once, by prediction: the closest of {len(slacks)} proposed is "
        f"{closest}, which misses {binding(slacks[closest])} by {-least(slacks[closest]):.1%} of its limit; "
        f"nothing was fine-tuned"
    )


def _last_line(log: Path) -> str:
    """Of a log of any length."""
    if not log.exists():
        return "nothing was logged"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST_BYTES))
        said = file.read().decode("utf-8", errors="replace").splitlines()
    return said[-1] if said else "nothing was logged"


def _nats(result: Result) -> float:
    return inf if result.divergence is None else result.divergence
