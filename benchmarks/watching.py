"""What it costs to watch a long search: seconds and bytes of the page and of what it asks for, with so many trials.

`python benchmarks/watching.py RUN [TRIALS]` (2000 by default) copies a finished run, of a configuration without rungs,
to a folder that is deleted afterwards, fills its journal with plans that are put together from those of its trials, and
follows it as `greenfront watch` does, while one trial after the other is added.
"""

import random
import resource
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, create_trial

sys.path.insert(0, str(Path(__file__).parents[1]))

from greenfront.search import Front, RunFolder, followed_run
from greenfront.search.encodings import PLAN
from greenfront.search.followed_run import FollowedRun
from greenfront.search.journal import NAME, trials_in
from greenfront.search.journal_file import open_journal
from greenfront.search.outset import OUTSET, Outset
from greenfront.spaces import Plan

CROSSED = 4
"""Trials that a new one is put together from."""


def main(source: Path, trials: int) -> None:
    """Copy, fill, follow."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder) / "run")
        weights = shutil.ignore_patterns("original", "candidates", "library", "exported", "*.safetensors")
        shutil.copytree(source, run.path, ignore=weights)
        original = replace(Front.load(run.front).original, cost=None, verified=False)
        run.front.unlink()
        rng = random.Random(0)
        scored = [trial for trial in trials_in(run.study) if trial.user_attrs["state"] == "scored"]
        storage, _ = open_journal(run.study)
        study = optuna.load_study(storage=storage, study_name=NAME)
        study.set_user_attr(OUTSET, Outset(original).to_dict())
        for _ in range(trials - len(scored)):
            study.add_trial(crossed(scored, rng))
        measure(run, study, scored, rng)


def crossed(trials: list[FrozenTrial], rng: random.Random) -> FrozenTrial:
    """Every parameter, and every module's settings, from one of some trials."""
    chosen = rng.sample(trials, CROSSED)
    plans = [Plan.from_json(trial.user_attrs[PLAN]) for trial in chosen]
    settings = {path: dict(one[path]) for path in plans[0] for one in [rng.choice(plans)] if path in one}
    plan = Plan(settings)
    params = {name: rng.choice(chosen).params.get(name, value) for name, value in chosen[0].params.items()}
    validation, divergence = rng.uniform(0.85, 0.97), rng.uniform(0.01, 0.5)
    attributes = {
        **chosen[0].user_attrs, PLAN: plan.to_json(), "plan_id": plan.id, "origin": "sampler",
        "validation": validation, "divergence": divergence,
    }  # fmt: skip
    return create_trial(
        params=params, distributions=chosen[0].distributions, user_attrs=attributes,
        values=[divergence, rng.uniform(0.5, 4)],
    )  # fmt: skip


def measure(run: RunFolder, study: optuna.Study, scored: list[FrozenTrial], rng: random.Random) -> None:
    """The first page, three more with a trial each between, and states while nothing happens."""
    followed_run.RESTS = 0
    began = time.perf_counter()
    followed = FollowedRun(run)
    _, page = followed.page()
    print(f"journal {run.study.stat().st_size / 1e6:.1f} MB, {len(study.trials)} trials")
    print(f"first page: {time.perf_counter() - began:.2f} s, {len(page) / 1e6:.2f} MB")
    for _ in range(3):
        study.add_trial(crossed(scored, rng))
        began = time.process_time()
        followed.page()
        print(f"another page, after one more trial: {time.process_time() - began:.2f} s of CPU")
    states = []
    for _ in range(50):
        began = time.perf_counter()
        told = followed.state()
        states.append(time.perf_counter() - began)
    print(f"a state: {1000 * statistics.median(states):.1f} ms, {len(str(told))} bytes")
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2000)
