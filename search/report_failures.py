"""The report's part on trials that came to nothing: why, what was tried again, and which settings were given up on."""

from html import escape

from greenfront.search import wording
from greenfront.search.history import History
from greenfront.search.journal import Result
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
    given_up = "".join(
        f"<li>{escape(found.words)}: not tried any more, as {len(found.trials)} trials failed with it "
        f"({escape(', '.join(found.trials))}) and none was scored</li>"
        for found in Quarantine(results).settings.values()
    )
    rows = "".join(map(_row, [*failed, *again]))
    head = "".join(f"<th>{title}</th>" for title in ("trial", "plan", "tries", "why"))
    return (
        f"<h3>Failed trials</h3><p>{escape(words)}.</p>{f'<ul>{given_up}</ul>' if given_up else ''}"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _row(result: Result) -> str:
    ended = [result.reason] if result.state == "failed" else ["then scored"]
    why = "<br>".join(escape(reason) for reason in [*result.lost, *ended])
    cells = "".join(f"<td>{cell}</td>" for cell in (result.number, result.plan.id, 1 + len(result.lost)))
    return f'<tr>{cells}<td class="wrap">{why}</td></tr>'
