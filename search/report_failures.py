"""The report's part on trials that came to nothing: why, what was tried again, which settings were given up on."""

from greenfront.search import wording
from greenfront.search.history import History
from greenfront.search.journal import Result
from greenfront.search.markup import listed, paragraph, table
from greenfront.search.quarantine import Quarantine


def failures_part(history: History) -> str:
    """The part's markup; nothing where every trial came to a score at once."""
    results = [each.result for each in history.tried]
    failed = [result for result in results if result.state == "failed"]
    again = [result for result in results if result.state != "failed" and result.lost]
    if not failed and not again:
        return ""
    words = f"{wording.counted(len(failed), 'trial')} of {len(results)} failed"
    if again:
        words += f"; {len(again)} came to a score when tried again on another worker"
    given_up = [
        f"{found.words}: not tried any more, as {len(found.trials)} trials failed with it "
        f"({', '.join(found.trials)}) and none was scored"
        for found in Quarantine(results).settings.values()
    ]
    rows = map(_row, [*failed, *again])
    return (
        f"<h2>Failed trials</h2>{paragraph(words + '.')}{listed(given_up) if given_up else ''}"
        f"{table('Failed trials', 'failed', ('trial', 'plan', 'tries', 'why'), rows)}"
    )


def rejected_part(history: History) -> str:
    """What was never trained, and why; nothing where all was."""
    if not history.rejected:
        return ""
    words = f"{wording.counted(len(history.rejected), 'plan')} proposed and never trained."
    rows = [(str(each.number), each.plan.id, each.origin, each.reason) for each in history.rejected]
    head = ("trial", "plan", "origin", "why")
    return f"<h2>Rejected before training</h2>{paragraph(words)}{table('Rejected plans', 'rejected', head, rows)}"


def _row(result: Result) -> tuple[str, ...]:
    ended = [result.reason] if result.state == "failed" else ["then scored"]
    return str(result.number), result.plan.id, str(1 + len(result.lost)), "; ".join([*result.lost, *ended])
