"""Finished runs of the same file with different samplers, compared at equal wall-clock, everything charged.

    python benchmarks/search/real.py runs/reuters-tpe runs/reuters-allocation

A run's clock starts with the first line of its log, so that fine-tuning the original, the profile, significance and
first plans are on it. Divergences are those that the runs scored on validation; latencies are predicted, for all plans
of all runs by the first run's profile. Hypervolume is on logarithms as in `compare.py`, as a share of what all runs
together found; the last column is the test score of the fastest verified candidate within the budgets.
"""

import argparse
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import optuna
from benches import WORST_DIVERGENCE
from indicators import Scale
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from rich.console import Console
from rich.table import Table
from states import Numbers

from greenfront.hardware_profiles import HardwareProfile
from greenfront.search import Front, RunFolder
from greenfront.search.journal import NAME
from greenfront.spaces import Plan

TIMES = (0.25, 0.5, 0.75, 1.0)
"""Shares of the shortest run's time at which the runs are compared."""


@dataclass(frozen=True)
class Finished:
    """`points` (N, 2): divergence and predicted latency; `clock` (N,): seconds since the run began."""

    name: str
    points: Numbers
    clock: Numbers


def main() -> None:
    """Print one row a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    folders = [RunFolder.existing(path) for path in parser.parse_args().runs]
    target = folders[0].load_config().hardware[0].name
    profile = HardwareProfile.load(folders[0].profile(target))
    runs = [read_run(folder, profile) for folder in folders]
    everything = np.vstack([run.points for run in runs])
    least = everything.min(axis=0)
    scale = Scale((least[0], least[1]), (WORST_DIVERGENCE, profile.original.latency_ms.median))
    best, until = scale.hypervolume(everything), min(float(run.clock[-1]) for run in runs)
    table = Table(title=f"{target}: share of all runs' hypervolume; the shortest ended after {until:.0f} s")
    for column in ("run", *(f"{share * until:.0f} s" for share in TIMES), f"trials in {until:.0f} s", "front"):
        table.add_column(column, justify="right")
    for folder, run in zip(folders, runs, strict=True):
        shares = [scale.hypervolume(run.points[run.clock <= share * until]) / best for share in TIMES]
        table.add_row(
            run.name, *(f"{share:.3f}" for share in shares), str(int((run.clock <= until).sum())), fastest(folder)
        )
    Console(width=120).print(table)


def read_run(folder: RunFolder, profile: HardwareProfile) -> Finished:
    """The scored trials of a run in the order in which they ended."""
    storage = JournalStorage(JournalFileBackend(str(folder.study)))
    trials = optuna.load_study(study_name=NAME, storage=storage).get_trials(states=(TrialState.COMPLETE,))
    begun = datetime.strptime(folder.log.read_text(encoding="utf-8")[:19], "%Y-%m-%d %H:%M:%S")
    rows = sorted(
        (
            (trial.datetime_complete - begun).total_seconds(),
            float(trial.user_attrs["divergence"]),
            profile.predict(Plan.from_json(trial.user_attrs["plan"])).latency_ms.median,
        )
        for trial in trials
        if trial.datetime_complete is not None
    )
    found = np.array(rows, dtype=np.float64)
    return Finished(folder.path.name, found[:, 1:], found[:, 0])


def fastest(folder: RunFolder) -> str:
    """The fastest verified candidate that keeps every budget, measured."""
    if not folder.front.exists():
        return "unfinished"
    front = Front.load(folder.front)
    kept = [c for c in front.members if c.verified and c.feasible]
    if not kept:
        return "none within the budgets"
    best = min(kept, key=lambda candidate: candidate.costs()[front.target].latency_ms.median)
    before, after = (c.costs()[front.target].latency_ms.median for c in (front.original, best))
    return f"{best.score.test:.4f} at {before / after:.1f}x (original {front.original.score.test:.4f})"


if __name__ == "__main__":
    main()
