"""How long a job may take: as asked for, or going by those before it."""

import pytest

from greenfront.config import to_yaml
from greenfront.errors import ConfigError
from greenfront.search.journal import Result
from greenfront.search.run_folder import RunFolder
from greenfront.search.time_limit import FIRST_SECONDS, LEAST_SECONDS, TIMES, TimeLimit
from greenfront.spaces import Plan
from tests.search.toy_run import toy_config


def test_before_anything_is_known_it_is_generous() -> None:
    limit = TimeLimit(None, 100)
    assert limit.seconds(100) == FIRST_SECONDS
    limit.learn(3.0, 0)  # needed no training, so it tells nothing of how long that takes
    limit.learn(3.0, None)
    assert limit.seconds(100) == FIRST_SECONDS


def test_then_it_goes_by_the_slowest_step_and_the_longest_job() -> None:
    limit = TimeLimit(None, 100)
    limit.learn(200.0, 100)
    limit.learn(100.0, 100)
    assert limit.seconds(100) == TIMES * 200.0
    assert limit.seconds(1000) == TIMES * 2000.0
    assert limit.seconds(0) == TIMES * 200.0  # scoring alone may take most of it
    short = TimeLimit(None, 100)
    short.learn(2.0, 100)
    assert short.seconds(100) == LEAST_SECONDS
    without = TimeLimit(None, 0)
    without.learn(100.0, 0)
    assert without.seconds(0) == TIMES * 100.0


def test_what_is_asked_for_counts_and_longer_jobs_have_more() -> None:
    limit = TimeLimit(90.0, 100)
    limit.learn(1000.0, 100)
    assert (limit.seconds(30), limit.seconds(100), limit.seconds(400)) == (90.0, 90.0, 360.0)


def test_another_start_has_learnt_from_the_results() -> None:
    def result(state: str, seconds: float) -> Result:
        return Result(0, Plan(), "sampler", state, seconds=seconds, steps=50)  # type: ignore[arg-type]

    limit = TimeLimit.of(None, 50, [result("failed", 9999.0), result("scored", 80.0), result("rejected", 0.0)])
    assert limit.seconds(50) == TIMES * 80.0


@pytest.mark.parametrize(("text", "seconds"), [("90 s", 90.0), ("10min", 600.0), ("1.5 h", 5400.0)])
def test_the_key_reads_times_as_people_write_them(text: str, seconds: float, tmp_path: object) -> None:
    config = toy_config(tmp_path, search={"trials": 3, "trial_limit": text})
    assert config.search.trial_limit == seconds
    assert f"trial_limit: {seconds:g} s" in to_yaml(config)


@pytest.mark.parametrize("text", [90, "90", "0 s", "-1 min", "10 ms", "soon", "50%"])
def test_what_is_no_time_is_refused(text: object, tmp_path: object) -> None:
    with pytest.raises(ConfigError, match="must be a time such as `90 s`, `10 min` or `2 h`"):
        toy_config(tmp_path, search={"trials": 3, "trial_limit": text})


def test_a_run_goes_on_with_another_limit(tmp_path: object) -> None:
    run = RunFolder.create(toy_config(tmp_path, search={"trials": 3}))
    assert run.differences(toy_config(tmp_path, search={"trials": 3, "trial_limit": "1 h"})) == []
