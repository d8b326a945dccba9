"""Contenders: whose weights are kept, against comparing everybody with everybody."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenfront.hardware_profiles import Cost
from greenfront.search import RunFolder
from greenfront.search.contenders import Contenders, crowding
from greenfront.search.journal import Result
from greenfront.spaces import Plan
from tests.search.front_builder import build_cost
from tests.search.toy_run import toy_config

Point = tuple[int, int, int]
"""Latency in ms, hits of 100, divergence in hundredths of a nat: few values, so that ties are frequent."""
POINTS = st.lists(st.tuples(st.integers(1, 6), st.integers(90, 95), st.integers(0, 5)), min_size=1, max_size=12)
quick = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def result(number: int, point: Point, state: str = "scored") -> Result:
    plan = Plan({"m": {"rank": 1000 * point[0] + number}})
    if state != "scored":
        return Result(number, plan, "sampler", "failed", reason="diverged")
    return Result(number, plan, "sampler", "scored", point[1] / 100, point[2] / 100)


def predict(plan: Plan) -> dict[str, Cost]:
    """The latency stands in the plan; what is slower is smaller."""
    latency = float(int(plan["m"]["rank"]) // 1000)
    return {"toy": build_cost(latency, 100.0 - latency), "other": build_cost(1.0, 1.0)}


def contenders(run: RunFolder, results: list[Result], **sections: object) -> Contenders:
    return Contenders(toy_config(run.path, **sections), run, results, predict)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(toy_config(tmp_path / "run"))


def keep_weights(run: RunFolder, found: Result) -> None:
    folder = run.candidate(found.plan.id)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    run.outputs(found.plan.id).write_bytes(b"outputs")


def beaten(point: Point, others: list[Point]) -> bool:
    """By one that is as fast and scores better, and by one that is as fast and diverges less."""

    def by(axis: int, sign: int) -> bool:
        mine = (point[0], sign * point[axis])
        return any(
            theirs != mine and theirs[0] <= mine[0] and theirs[1] <= mine[1]
            for theirs in ((other[0], sign * other[axis]) for other in others)
        )

    return by(1, -1) and by(2, 1)


@quick
@given(POINTS)
def test_a_contender_is_beaten_by_nobody_in_score_or_in_divergence(run: RunFolder, points: list[Point]) -> None:
    found = contenders(run, [])
    for number, point in enumerate(points):
        assert found.would_take(result(number, point)) == (not beaten(point, points[:number]))
        found.add(result(number, point))


@quick
@given(POINTS)
def test_only_contenders_keep_their_weights(run: RunFolder, points: list[Point]) -> None:
    results = [result(number, point) for number, point in enumerate(points)]
    for each in results:
        keep_weights(run, each)
    contenders(run, results).prune()
    left = {r.plan.id for r, point in zip(results, points, strict=True) if not beaten(point, points)}
    names = {path.name for path in (run.path / "candidates").iterdir()}
    assert names == left | {f"{id_}.outputs.safetensors" for id_ in left}


def test_what_was_finished_keeps_what_it_was_trained_to(run: RunFolder) -> None:
    """While it is finished once more, that is for a moment the only folder that has its name."""
    worse, better = result(0, (2, 91, 5)), result(1, (1, 95, 0))
    for each in (worse, better):
        keep_weights(run, each)
    searched = run.candidate(worse.plan.id)
    (run.finishing(worse.plan.id) / "model").mkdir(parents=True)
    contenders(run, [worse, better]).prune()
    assert (searched / "config.json").exists()
    (run.finishing(worse.plan.id) / "model").rmdir()
    assert contenders(run, [worse, better]).complete(worse)
    contenders(run, [worse, better]).prune()
    assert not searched.exists()


def test_what_a_killed_run_left_half_written_goes(run: RunFolder) -> None:
    kept = result(0, (1, 95, 0))
    keep_weights(run, kept)
    (run.path / "candidates" / f"{'0' * 8}.partial").mkdir()
    contenders(run, [kept]).prune()
    assert {p.name for p in (run.path / "candidates").iterdir()} == {
        kept.plan.id, f"{kept.plan.id}.outputs.safetensors"
    }  # fmt: skip


def test_failed_and_rejected_trials_are_no_contenders(run: RunFolder) -> None:
    failed = result(0, (1, 95, 0), "failed")
    keep_weights(run, failed)
    found = contenders(run, [failed])
    assert found.finalists() == []
    assert found.would_take(result(1, (6, 90, 5)))


def test_a_score_that_is_not_a_number_beats_nobody(run: RunFolder) -> None:
    found = contenders(run, [])
    broken = Result(0, Plan({"m": {"rank": 1000}}), "sampler", "scored", math.nan, math.nan)
    assert not found.would_take(broken)
    found.add(broken)
    assert found.would_take(result(1, (6, 90, 5)))


def test_the_front_is_that_of_the_objectives(run: RunFolder) -> None:
    """By size, the slow one is the small one."""
    slow, fast = result(0, (6, 92, 1)), result(1, (1, 92, 1))
    assert not contenders(run, [fast]).would_take(slow)
    assert contenders(run, [fast], objectives=["accuracy", "size"]).would_take(slow)
    assert not contenders(run, [slow], objectives=["accuracy", "size"]).would_take(fast)
    assert contenders(run, [fast], objectives=["accuracy", "latency", "size"]).would_take(slow)
    assert not contenders(run, [fast], objectives=["accuracy"]).would_take(slow)
    assert not contenders(run, [fast], objectives=["accuracy", "throughput"]).would_take(slow)
    assert contenders(run, [slow], objectives=["accuracy", "throughput"]).would_take(fast)


@pytest.mark.parametrize("most", [2, 3, 4, 6, 20])
def test_finalists_are_spread_and_the_extremes_always_in(run: RunFolder, most: int) -> None:
    results = [result(number, (number + 1, 80 + number, 20 - number)) for number in range(8)]
    for each in results:
        keep_weights(run, each)
    found = contenders(run, results, search={"finalists": most}).finalists()
    assert len(found) == min(most, 8)
    assert [r.number for r in found] == sorted({r.number for r in found})
    assert (found[0].number, found[-1].number) == (0, 7)
    gaps = [b.number - a.number for a, b in pairwise(found)]
    assert max(gaps) - min(gaps) <= 1


def test_a_finalist_has_its_weights(run: RunFolder) -> None:
    results = [result(number, (number + 1, 80 + number, 20 - number)) for number in range(3)]
    keep_weights(run, results[1])
    assert contenders(run, results).finalists() == [results[1]]


def test_feasible_contenders_are_finalists_before_all_others(run: RunFolder) -> None:
    results = [result(number, (number + 1, 80 + number, 20 - number)) for number in range(8)]
    for each in results:
        keep_weights(run, each)
    feasible = [results[5].plan.id, results[6].plan.id]
    for most, numbers in ((1, [5]), (2, [5, 6]), (4, [0, 5, 6, 7])):
        found = contenders(run, results, search={"finalists": most}).finalists(feasible)
        assert [r.number for r in found] == numbers


def test_the_knee_of_a_front_is_a_finalist_and_one_of_a_crowd_is_not(run: RunFolder) -> None:
    points = [(2, 90, 9), (3, 96, 8), (4, 97, 7), (10, 98, 6), (11, 99, 5)]
    results = [result(number, point) for number, point in enumerate(points)]
    for each in results:
        keep_weights(run, each)
    found = contenders(run, results, search={"finalists": 4}).finalists()
    assert [r.number for r in found] in ([0, 1, 2, 4], [0, 1, 3, 4], [0, 2, 3, 4])
    found = contenders(run, results, search={"finalists": 3}).finalists()
    assert [r.number for r in found] in ([0, 1, 4], [0, 2, 4])


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8))
def test_crowding_is_what_its_definition_says(points: list[tuple[int, int]]) -> None:
    array = np.array(points, dtype=np.float64)
    found = crowding(array)
    for axis in range(2):
        assert np.isinf(found[array[:, axis].argmin()])
    for number, point in enumerate(array):
        if np.isfinite(found[number]):
            assert (array.min(axis=0) <= point).all()
            assert 0 <= found[number] <= 2
