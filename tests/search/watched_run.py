"""A run of the toy whose search is interrupted after so many trials, and goes on, as who watches it meets it."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from greenfront.hardware_profiles import Cost
from greenfront.search import RunFolder
from greenfront.search.front import Front
from greenfront.search.outset import Outset
from greenfront.search.pool import Pool
from greenfront.search.verify import judge, unverified
from tests.search.test_driver import FormulaPool, Notes, driver_at
from tests.search.toy_run import toy_config, toy_profile

TRIALS = {"trials": 8, "finalists": 2, "sampler": "random"}


class Interrupt(Exception):  # noqa: N818 - as KeyboardInterrupt, which pytest would take for its own
    """Stands in for Ctrl-C."""


def begun_run(folder: Path) -> RunFolder:
    """Its configuration alone."""
    return RunFolder.create(toy_config(folder, search=TRIALS))


def search_until(folder: Path, trials: int) -> RunFolder:
    """Begin, or go on, until so many jobs have been given out in this start."""

    def reason(number: int, _: object) -> str:
        if number > trials:
            raise Interrupt
        return ""

    driver = driver_at(folder, search=TRIALS)
    toy_profile().save(driver.run.profile("toy"))
    driver.study.keep_outset(Outset(driver.original, (), ("window: no faster",)).to_dict())
    with suppress(Interrupt), patch.object(Pool, "fetch", staticmethod(lambda weights: weights)):
        driver.search(FormulaPool(reason), Notes())
    return driver.run


def verified_front(folder: Path) -> Front:
    """Write the front of all trials there, the best two of them measured at half of what was predicted."""
    driver = driver_at(folder, search=TRIALS)
    run, config = driver.run, driver.config
    predicted = {"toy": toy_profile()}
    everyone = unverified(driver.study.results, driver.original, predicted, config)
    chosen = sorted(everyone, key=lambda c: -c.score.validation)[:2]

    def measured(costs: dict[str, Cost]) -> dict[str, Cost]:
        found = costs["toy"]
        half = replace(found.latency_ms, median=found.latency_ms.median / 2, low=0.0)
        return {"toy": replace(found, latency_ms=half)}

    verified = [
        replace(
            c, cost=measured(c.predicted), score=replace(c.score, test=0.5, test_interval=(0.4, 0.6)), verified=True
        )
        for c in (driver.original, *chosen)
    ]
    candidates = judge(verified[0], [*verified[1:], *(c for c in everyone if c not in chosen)], config)
    front = Front(verified[0], candidates, "accuracy", ("toy",), config.budgets, config.objectives)
    front.save(run.front)
    return front
