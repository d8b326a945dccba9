"""Which trials of a study an earlier configuration's study already ended."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from greenfront.search.journal import result_of, trials_in
from greenfront.search.reopening import Earlier
from greenfront.search.run_folder import RunFolder
from greenfront.spaces import Plan


def taken_over(run: RunFolder) -> set[Plan]:
    """The plans whose trials in a run's journal were taken over ready-made, from the study of an earlier configuration.

    Where a study goes on under a new configuration, the earlier one's journal is a copy of its beginning, and a trial
    stands in both with the same start; one that is taken over is begun, and ended, anew.
    """
    begun: dict[Plan, set[datetime | None]] = defaultdict(set)
    for one in Earlier.all(run):
        for plan, start in _ended(one.study):
            begun[plan].add(start)
    return {plan for plan, start in _ended(run.study) if begun[plan] - {start}} if begun else set()


def _ended(journal: Path) -> Iterator[tuple[Plan, datetime | None]]:
    """Plan and start of every trial that came to a score, or failed; of a plan there is one at most."""
    for trial in trials_in(journal):
        if (result := result_of(trial)).state in ("scored", "failed"):
            yield result.plan, trial.datetime_start
