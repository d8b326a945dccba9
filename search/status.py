"""Where a run stands, for whoever looks at it from another terminal: running, ended early, or finished."""

from collections.abc import Sequence

from rich.markup import escape

from greenfront.search.folder_lock import holder
from greenfront.search.front import Front
from greenfront.search.journal import Result, results_in
from greenfront.search.run_folder import RunFolder


def is_finished(front: Front | None) -> bool:
    """Whether a run has come to its end: what its front holds has been measured and tested."""
    if front is None or not front.members:
        return False
    return all(candidate.verified for candidate in (front.original, *front.members))


def status(run: RunFolder, front: Front | None) -> str:
    """A sentence with rich markup; `front` is the run's, where it has one. Only reads.

    Raises:
        RunError: a configuration or a journal that can't be read.
    """
    return escape(standing(holder(run.path), results_in(run.study), run.load_config().search.trials, front))


def standing(who: str | None, results: Sequence[Result], wanted: int, front: Front | None) -> str:
    """The same without markup; `who` holds the folder, and `wanted` is how many trials the configuration asks for."""
    states = [result.state for result in results]
    ended = len(states) - states.count("rejected") - states.count("paused")
    done = f"{ended} of {wanted} trials have ended"
    if states.count("paused"):
        done += f", {states.count('paused')} are paused"
    if states.count("failed"):
        done += f", {states.count('failed')} of them failed"
    if who is not None:
        return f"{who} is searching here: {done}"
    if is_finished(front):
        return f"finished: {done}"
    return f"no process is searching here: {done}; `greenfront search FILE`, with the same file, goes on"
