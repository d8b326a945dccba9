"""Records real trials of a finished run: plans are built, trained and scored at several numbers of steps.

    python benchmarks/search/record.py runs/reuters recordings/r8.jsonl --trials 300 --steps 0 15 30 60

Every plan is trained once, on the run's Ray workers, and scored on validation whenever it has done so many steps, with
the learning rate of the whole training; at the end it is what a search would keep, which may be what it began as. The
same command goes on where it was interrupted; with `--greenformer` plans of one global rank and plain SVD are recorded
beside them. MiniLM-L6 on Reuters takes about 20 s a trial and worker.
Give the workers the machine for themselves, or the seconds recorded are too many.
"""

import argparse
import copy
import json
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import ray
from draws import Draws
from global_rank import FIRST, KIND, global_rank_plans, plain_library
from ray.util import ActorPool
from recording import Header, Rung, Trial, read, trial_to_json
from rich.console import Console

from greenfront.config import RunConfig
from greenfront.errors import RunError
from greenfront.evaluators import Outputs, Significance, TaskData, distill, score
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search import RunFolder, Silent
from greenfront.search.acceptance import improves
from greenfront.search.journal import drop_torn_line
from greenfront.search.limits import budget_limits, changes
from greenfront.search.prepare import prepare_library, prepare_original, prepare_teacher
from greenfront.search.profiles import useful
from greenfront.search.ray_session import running_ray
from greenfront.search.search_space import search_space
from greenfront.search.slack import cost_bounds, summed_cost, summed_limit
from greenfront.search.trimming import prepare_base
from greenfront.search.verify import original_candidate
from greenfront.search.worker import Assignment, Worker, clearly_better, frozen_paths
from greenfront.spaces import Plan, complete

COSTS = ("latency", "size")
"""Recorded with every trial, beside the costs among the run's objectives and budgets."""
PREPARING = ("profile", "library", "significance", "analysis")


class RecordingWorker(Worker):
    """A worker of the product's that scores a candidate on its way."""

    def record(self, number: int, kind: str, plan: Plan, costs: dict[str, float], steps: Sequence[int]) -> Trial:
        """Build, train and score one plan; a failure comes back as a trial with its reason."""
        work, rungs, outputs = self.assignment, list[Rung](), list[Outputs]()
        seed = (work.seed + int(plan.id, 16)) % 2**32  # as in a search: the plan decides it
        started = time.perf_counter()
        built = trained = 0.0
        try:
            model = self._build(plan, seed)
            built, resumed = time.perf_counter() - started, time.perf_counter()

            def scored(done: int, _: int) -> None:
                nonlocal trained, resumed
                if done not in steps:
                    return
                trained += time.perf_counter() - resumed
                begun = time.perf_counter()
                candidate = copy.deepcopy(model)  # what is quantized could not be trained on
                complete(candidate)
                outputs.append(self._answer(candidate))
                found = score(outputs[-1])
                if found.divergence is None or not np.isfinite(found.divergence):
                    raise RunError(f"the outputs after {done} steps are not finite")
                seconds = time.perf_counter() - begun
                rungs.append(Rung(done, found.divergence, found.value, round(trained, 3), round(seconds, 3)))
                resumed = time.perf_counter()

            scored(0, max(steps))
            against = work.original if work.train_logits is None else work.train_logits
            log = distill(
                model, work.train, against, work.fine_tune, seed=seed, frozen=frozen_paths(model), progress=scored
            )
            if not log.steps and not rungs:
                scored(steps[0], max(steps))  # it needs no training: on every rung it is what it is now
            first, last = rungs[0], rungs[-1]
            if not log.steps:
                rungs += [replace(first, steps=done, score_seconds=0.0) for done in steps[1:]]
            elif not (first.steps or clearly_better(log.before, outputs[-1]) or improves(outputs[0], outputs[-1])):
                rungs[-1] = replace(last, divergence=first.divergence, metric=first.metric)
        except Exception as error:  # as in a search: a bad plan is a result, too
            return Trial(number, kind, plan, costs, round(built, 3), tuple(rungs), f"{type(error).__name__}: {error}")
        return Trial(number, kind, plan, costs, round(built, 3), tuple(rungs))


def main() -> None:
    """Record trials until there are as many as asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run's folder")
    parser.add_argument("recording", type=Path, help="the file to write, or to go on with")
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--steps", type=int, nargs="+", default=(0, 15, 30, 60))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--greenformer", action="store_true", help="record greenformer's rule instead")
    logging.getLogger("greenfront").setLevel(logging.ERROR)
    asked = parser.parse_args()
    console = Console(width=120)
    run = RunFolder.existing(asked.run)
    config = run.load_config()
    steps = tuple(sorted(set(asked.steps)))
    if steps[0] < 0 or steps[-1] != config.fine_tune.steps:
        raise SystemExit(f"--steps: must end with the run's fine_tune.steps, {config.fine_tune.steps}, but got {steps}")
    header, assignment, data = prepare(run, config, steps)
    done = _begun(asked.recording, header)
    draws = Draws(header.space, header.losses, header.changes, header.original, asked.seed)
    if asked.greenformer:
        assignment = replace(assignment, library=plain_library(config, assignment.original, data))
        plans = enumerate(global_rank_plans(header.space), start=FIRST)
        jobs = [(number, KIND, plan) for number, plan in plans if number not in done]
    else:
        jobs = [(number, *draws.draw(number)) for number in range(asked.trials) if number not in done]
    columns = {cost: draws.states.flat(table) for cost, table in header.changes.items()}

    def predicted(plan: Plan) -> dict[str, float]:
        at = draws.states.of(plan)
        return {cost: float(f"{header.original[cost] + table[at].sum():.6g}") for cost, table in columns.items()}

    console.print(f"{len(done)} trials are recorded, {len(jobs)} to go, scored after {steps} steps")
    workers, begun = config.workers(), time.perf_counter()
    with running_ray(config.ray, workers), asked.recording.open("a", encoding="utf-8") as file:
        pool = ActorPool(_actors(assignment, workers))
        arguments = [(number, kind, plan, predicted(plan), steps) for number, kind, plan in jobs]
        finished = pool.map_unordered(lambda actor, job: actor.record.remote(*job), arguments)
        for count, trial in enumerate(finished, start=1):
            file.write(trial_to_json(trial) + "\n")
            file.flush()
            left = (time.perf_counter() - begun) / count * (len(jobs) - count) / 60
            said = trial.reason or " ".join(f"{rung.divergence:.4f}" for rung in trial.rungs)
            console.print(
                f"{trial.number} {trial.kind} {trial.costs['latency_ms']:.2f} ms, "
                f"{trial.costs['size_mb']:.1f} MB: {said}; {left:.0f} min left"
            )


def prepare(run: RunFolder, config: RunConfig, steps: tuple[int, ...]) -> tuple[Header, Assignment, TaskData]:
    """Everything that the run computed before its first trial; nothing is computed or written anew."""
    read_, processor, loaded = prepare_original(config, run, Silent())
    base = prepare_base(config, run, read_, processor, loaded, Silent())
    profiles = {target.name: HardwareProfile.load(run.profile(target.name)) for target in config.hardware}
    space = useful(search_space(base.model, config), profiles, config)
    library = prepare_library(config, run, space, base.data, base.model, Silent())
    teacher = prepare_teacher(config, run, base.data, base.model, Silent())
    losses = Significance.from_json(run.significance.read_text(encoding="utf-8")).finite().losses
    validation = score(teacher.outputs).value
    profile = profiles[config.hardware[0].name]
    original = original_candidate(validation, profiles, config, trimmed=base.trimmed)
    unreachable, _ = budget_limits(config, space, profiles, original.predicted)
    reference = original.predicted[config.hardware[0].name]
    limits = {
        str(cost): profile.summed_limit(cost, most)
        for name, bound in cost_bounds(config.budgets).items()
        if name not in unreachable
        for cost, most in [summed_limit(name, bound, reference, profile.target.large_batch)]
    }
    names = dict.fromkeys([*COSTS, *(n for n in config.objectives if n != "accuracy"), *cost_bounds(config.budgets)])
    seconds = json.loads(run.summary.read_text())["seconds"]
    header = Header(
        source=run.path.name,
        space=space,
        losses=losses,
        changes={summed_cost(name): changes(space, profile, name) for name in names},
        original={summed_cost(name): profile.original.value(summed_cost(name)) for name in names},
        limits=limits,
        metric=config.data.metric,
        original_metric=validation,
        steps=steps,
        preparing_seconds={name: seconds[name] for name in PREPARING if name in seconds},
    )
    assignment = Assignment(
        original=base.model, library=library, train=teacher.train, train_logits=teacher.train_logits,
        validation=base.data.validation, validation_logits=teacher.validation_logits, fine_tune=config.fine_tune,
        metric=config.data.metric, seed=config.search.seed, threads=config.ray.threads_per_worker,
    )  # fmt: skip
    return header, assignment, base.data


def _begun(path: Path, header: Header) -> set[int]:
    """The numbers of the trials that an earlier start recorded; writes the header where there was none."""
    drop_torn_line(path)
    if not path.exists() or not path.stat().st_size:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(header.to_json() + "\n", encoding="utf-8")
        return set()
    there, trials = read(path)
    if there.to_json() != header.to_json():
        raise SystemExit(f"{path}: must be a recording of the same run and steps; choose another file, or delete it")
    return {trial.number for trial in trials}


def _actors(assignment: Assignment, workers: int) -> list[Any]:
    """As the product's pool starts its workers."""
    threads = str(assignment.threads)
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables = {
        "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "false",
        "PYTHONPATH": path,  # where the modules beside this one are
    }  # fmt: skip
    kind = ray.remote(num_cpus=assignment.threads, runtime_env={"env_vars": variables})(RecordingWorker)
    shared = ray.put(assignment)
    return [kind.remote(shared) for _ in range(workers)]


if __name__ == "__main__":
    main()
