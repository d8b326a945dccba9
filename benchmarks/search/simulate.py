"""A thousand workers in simulated time: how busy the real driver keeps them, and what it takes of time and memory.

    python benchmarks/search/simulate.py runs/reuters --workers 1000 --trials 10000 --seconds 30

Space, profile and predicted losses are a run's; study, sampler, driver and journal are the product's; only evaluations
are made up: each takes so many seconds of a virtual clock, and comes to what the replay of a recording says
(`--recording`), or else to the predicted loss. What the driver really takes between two calls of the pool passes on the
virtual clock, too, as processor time of all its threads: what else the machine does isn't charged, and writing the
journal is, though it happens beside the driver's own work. Weights are not written.
"""

import argparse
import heapq
import itertools
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from recording import read
from replay import Replay
from states import States

from greenfront.evaluators import Outputs, Significance
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search import RunFolder
from greenfront.search.driver import Driver
from greenfront.search.limits import budget_limits, first_plans
from greenfront.search.pool import Finished
from greenfront.search.profiles import useful
from greenfront.search.progress import Silent
from greenfront.search.sampling import make_study
from greenfront.search.search_space import search_space
from greenfront.search.verify import original_candidate
from greenfront.search.worker import Outcome
from greenfront.spaces import Plan, load_checkpoint

EVERY = 100
"""Trials between two looks at time and memory."""


@dataclass
class SimulatedPool:
    """Stands in for Ray's workers: each plan is finished so many virtual seconds after it was submitted.

    `now` in virtual seconds; what passes on the real `clock` between two calls is added to it, and to `spent`.
    """

    workers: int
    seconds: float
    divergence: Callable[[Plan], float]
    clock: Callable[[], float] = time.process_time
    now: float = 0.0
    spent: float = 0.0
    spent_at: list[float] = field(default_factory=list)
    running: list[tuple[float, int, str]] = field(default_factory=list)
    submitted: list[float] = field(default_factory=list)
    finished: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    _left: float | None = None

    @property
    def free(self) -> int:
        """How many workers wait for a plan."""
        return self.workers - len(self.running)

    @property
    def busy(self) -> int:
        """How many plans are being evaluated."""
        return len(self.running)

    def submit(self, tag: int, plan_id: str, plan_json: str, part: object = None) -> None:
        """Give a plan to a free worker, for the same seconds whatever part of its training is asked for."""
        self._enter()
        heapq.heappush(self.running, (self.now + self.seconds, tag, plan_json))
        self.submitted.append(self.now)
        self._leave()

    def wait(self, seconds: float) -> list[Finished]:
        """The plan that is finished first; nothing where that is more than `seconds` away."""
        self._enter()
        if self.running[0][0] > self.now + seconds:
            self.now += seconds
            self._leave()
            return []
        end, tag, plan_json = heapq.heappop(self.running)
        self.now = max(self.now, end)
        self.finished.append(end)
        self.spent_at.append(self.spent)
        if len(self.finished) % EVERY == 0:
            self.memory_mb.append(psutil.Process().memory_info().rss / 1e6)
            ms = 1000 * (self.spent - self.spent_at[-min(EVERY, len(self.spent_at))]) / EVERY
            print(f"{len(self.finished)} trials: {ms:.1f} ms a trial, {self.memory_mb[-1]:.0f} MB", flush=True)
        plan = Plan.from_json(plan_json)
        divergence = self.divergence(plan)
        outputs = Outputs("accuracy", np.zeros((1, 2)))
        outcome = Outcome(plan.id, float(np.exp(-divergence)), divergence, self.seconds, outputs=outputs)
        self._leave()
        return [Finished(tag, outcome, None)]

    def busy_share(self) -> tuple[float, float]:
        """Of the workers' time: from the first to the last submission, and while it could be full.

        The second leaves out the first round, in which workers get their first plan one after the other.
        """
        first, last = self.submitted[0], self.submitted[-1]
        full = self.submitted[min(self.workers, len(self.submitted)) - 1]
        return self._share(first, last), self._share(full, last)

    def _share(self, begin: float, end: float) -> float:
        ends = sorted(self.finished)
        starts = np.array(ends) - self.seconds
        inside = np.minimum(ends, end) - np.maximum(starts, begin)
        return float(inside.clip(min=0).sum() / max(self.workers * (end - begin), 1e-9))

    def _enter(self) -> None:
        if self._left is not None:
            passed = self.clock() - self._left
            self.now += passed
            self.spent += passed

    def _leave(self) -> None:
        self._left = self.clock()


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--recording", type=Path)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--sampler", help="default: the run's")
    parser.add_argument("--rungs", type=int, nargs="+", help="of a ladder; each is a job of so many seconds")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = RunFolder.existing(asked.run)
        driver, losses = make_driver(source, Path(folder) / "run", asked.trials, asked.sampler, asked.rungs)
        pool = SimulatedPool(asked.workers, asked.seconds, _truth(driver, losses, asked.recording))
        driver.search(pool, Silent())  # type: ignore[arg-type]
        describe(pool)


def make_driver(
    source: RunFolder, output: Path, trials: int, sampler: str | None, rungs: list[int] | None = None
) -> tuple[Driver, dict[str, list[float]]]:
    """The product's driver on a run's space, profile and losses, as a search begins, without weights to write."""
    config = source.load_config()
    steps = tuple(rungs) if rungs else config.search.rungs
    settings = {"trials": trials, "sampler": sampler or config.search.sampler, "rungs": steps}
    config = config.model_copy(update={"search": config.search.model_copy(update=settings)})
    model = load_checkpoint(source.base)
    profiles = {t.name: HardwareProfile.load(source.profile(t.name)) for t in config.hardware}
    space = useful(search_space(model, config), profiles, config)
    losses = Significance.from_json(source.significance.read_text(encoding="utf-8")).finite().losses
    run = RunFolder.create(config.model_copy(update={"output": output}))
    original = original_candidate(1.0, profiles, config)
    _, limits = budget_limits(config, space, profiles, original.predicted)
    study = make_study(config, space, losses, profiles, original.predicted, limits, run.study)
    for seed in first_plans(config, space, losses, profiles, original.predicted, limits):
        study.suggest(seed.plan, seed.origin)
    driver = Driver(config, run, study, profiles, original, losses, limits, model, None)
    judged = driver.contenders.would_take
    driver.contenders.would_take = lambda result: judged(result) and False  # type: ignore[method-assign]
    return driver, losses


def describe(pool: SimulatedPool) -> None:
    """Print busy shares, driver milliseconds by tenths of the trials, memory and its growth."""
    per_trial = np.diff([0.0, *pool.spent_at])
    tenths = [1000 * float(part.mean()) for part in np.array_split(per_trial, 10)]
    whole, full = pool.busy_share()
    print(
        f"{len(pool.finished)} trials, {pool.workers} workers, {pool.seconds:g} s each: {pool.now:.0f} virtual seconds"
    )
    print(f"workers busy: {whole:.1%} up to the last submission, {full:.1%} of it once all had begun")
    print(f"driver, ms a trial, by tenths of the run: {', '.join(f'{ms:.1f}' for ms in tenths)}")
    if len(pool.memory_mb) > 1:
        more = pool.memory_mb[-1] - pool.memory_mb[0]
        halves = [1000 / EVERY * float(np.mean(half)) for half in np.array_split(np.diff(pool.memory_mb), 2)]
        print(
            f"memory: {pool.memory_mb[-1]:.0f} MB at the end, {more:.0f} MB more than after {EVERY} trials; "
            f"{halves[0]:.1f} and {halves[1]:.1f} MB a thousand trials in its two halves"
        )


def _truth(driver: Driver, losses: dict[str, list[float]], recording: Path | None) -> Callable[[Plan], float]:
    if recording is not None:
        replay = Replay(*read(recording), seed=0)
        return lambda plan: replay.evaluate(plan).divergence
    states = States(driver.study.space)
    columns = states.losses(losses)
    chance = itertools.cycle(np.exp(np.random.default_rng(0).normal(0, 0.05, 997)).tolist())
    return lambda plan: float(columns[states.of(plan)].sum()) * next(chance) + 1e-3


if __name__ == "__main__":
    main()
