"""The report's part on trials without a score: why, what was tried again, and which settings were given up on."""

from greenfront.search import wording
from greenfront.search.history import History
from greenfront.search.journal import Result
from greenfront.search.markup import listed, paragraph, table
from greenfront.search.quarantine import Quarantine

HEAD = ("trial", "plan", "what became of it", "origin", "tries", "why")


def failures_part(history: History) -> str:
    """The part's markup; nothing where every trial came to a score at once."""
    results = [each.result for each in history.tried]
    failed = [result for result in results if result.state == "failed"]
    again = [result for result in results if result.state != "failed" and result.lost]
    if not (failed or again or history.rejected):
        return ""
    words = f"{wording.counted(len(failed), 'trial')} of {len(results)} failed"
    if history.rejected:
        words += f", {wording.counted(len(history.rejected), 'plan')} rejected before any training"
    if again:
        words += f"; {len(again)} came to a score when tried again on another worker"
    given_up = [
        f"{found.words}: not tried any more, as {len(found.trials)} trials failed with it "
        f"({', '.join(found.trials)}) and none was scored"
        for found in Quarantine(results).settings.values()
    ]
    rows = map(_row, [*failed, *again, *history.rejected])
    return (
        f"<h2>Without a score</h2>{paragraph(words + '.')}{listed(given_up) if given_up else ''}"
        f"{table('Trials without a score', 'lost', HEAD, rows)}"
    )


def _row(result: Result) -> tuple[str, ...]:
    ended = ["then scored"] if result.state == "scored" else [result.reason]
    why = "; ".join(reason for reason in [*result.lost, *ended] if reason)
    return str(result.number), result.plan.id, result.state, result.origin, str(1 + len(result.lost)), why
