"""Driver time per trial (ask, tell, bookkeeping) over 200 trials of MiniLM-L6's space.

    python benchmarks/driver.py runs/reuters [--sampler allocation]

The run gives space, profile and significance; the workers are replaced by a stand-in that answers at once with the
predicted loss, since only the driver's own time is asked for. Weights are not written.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

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

TRIALS = 200


class InstantPool:
    """Stands in for Ray's workers: two places, each answer there at once."""

    def __init__(self, losses: dict[str, list[float]], driver: Driver) -> None:
        self.losses, self.driver = losses, driver
        self.waiting: list[tuple[int, str]] = []

    @property
    def free(self) -> int:
        """Places left."""
        return 2 - len(self.waiting)

    @property
    def busy(self) -> int:
        """Plans that wait for their answer."""
        return len(self.waiting)

    def submit(self, tag: int, plan_id: str, plan_json: str) -> None:
        """Take a plan."""
        self.waiting.append((tag, plan_json))

    def wait(self, seconds: float) -> list[Finished]:
        """Answer the oldest plan with its predicted loss."""
        tag, plan_json = self.waiting.pop(0)
        plan, space = Plan.from_json(plan_json), self.driver.study.space
        divergence = sum(
            self.losses[choice.name][index] for choice, index in zip(space.choices, space.indices(plan), strict=True)
        )
        outcome = Outcome(
            plan.id, float(np.exp(-divergence)), divergence, 0.0, outputs=Outputs("accuracy", np.zeros((1, 2)))
        )
        return [Finished(tag, outcome, None)]


def main() -> None:
    """Run 200 trials and print milliseconds."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("run", type=Path)
    arguments.add_argument("--sampler", help="default: the run's")
    asked = arguments.parse_args()
    source = RunFolder.existing(asked.run)
    config = source.load_config()
    settings = {"trials": TRIALS, "sampler": asked.sampler or config.search.sampler}
    config = config.model_copy(update={"search": config.search.model_copy(update=settings)})
    model = load_checkpoint(source.base)
    profiles = {t.name: HardwareProfile.load(source.profile(t.name)) for t in config.hardware}
    space = useful(search_space(model, config), profiles, config)
    losses = Significance.from_json(source.significance.read_text(encoding="utf-8")).finite().losses
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder.create(config.model_copy(update={"output": Path(folder) / "run"}))
        original = original_candidate(1.0, profiles, config)
        _, limits = budget_limits(config, space, profiles, original.predicted)
        study = make_study(config, space, losses, profiles, original.predicted, limits, run.study)
        for seed in first_plans(config, space, losses, profiles, original.predicted, limits):
            study.suggest(seed.plan, seed.origin)
        driver = Driver(config, run, study, profiles, original, losses, limits, model, None)
        driver.contenders.would_take = lambda result: False  # type: ignore[method-assign]  # no weights to write
        started, spent = time.perf_counter(), time.process_time()
        driver.search(InstantPool(losses, driver), Silent())  # type: ignore[arg-type]
        wall, spent = time.perf_counter() - started, time.process_time() - spent
        rejected = sum(result.state == "rejected" for result in study.results)
        calls = 1000 * np.array(driver.timing.driver)
        print(
            f"{TRIALS} trials, {rejected} proposals over budget, {len(space.choices)} parameters: "
            f"{calls.sum() / TRIALS:.1f} ms of driver time a trial, {wall:.1f} s in all, "
            f"{1000 * spent / TRIALS:.1f} ms of processor time a trial, "
            f"median call {statistics.median(calls):.1f} ms"
        )


if __name__ == "__main__":
    main()
