"""The benches of searches: known fronts, replays, indicators, contestants, and the simulated clock."""

import itertools
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benches import Bench
from compare import play
from contestants import CONTESTANTS
from draws import KINDS, Draws
from games import Game
from global_rank import FIRST, KIND, global_rank_plans
from hypothesis import given, settings
from hypothesis import strategies as st
from indicators import Scale, curve
from problem import Problem
from recording import Header, Rung, Trial, read, trial_to_json
from replay import Replay, replayed, validate
from report import Curves, markdown
from simulate import SimulatedPool
from states import States, at_level
from synthetic import exact_front, synthetic, trained

from greenfront.config import SpaceConfig
from greenfront.errors import RunError
from greenfront.search.allocation import total
from greenfront.spaces import Plan, Space, find_space
from tests.search.toy_run import LENGTH, toy_model

SCALE = Scale((0.01, 1.0), (1.0, 100.0))


@pytest.fixture(scope="module")
def space() -> Space:
    """Ranks, bits, heads, widths and blocks of the toy."""
    methods = ["blocks", "heads", "width", "low_rank", "bits"]
    return find_space(
        toy_model(), SpaceConfig.model_validate({"methods": methods, "low_rank": {"ranks": [2, 4]}}), LENGTH
    )


@pytest.fixture(scope="module")
def header(space: Space) -> Header:
    """What a run might know of that space."""
    rng = np.random.default_rng(0)
    losses = {c.name: [*sorted(rng.exponential(0.05, len(c.settings)), reverse=True), 0.0] for c in space.choices}
    change = {site.path: list(rng.uniform(-1, 0, len(site.states))) for site in space.states}
    original = {"latency_ms": 1.2 * len(change)}
    return Header(
        "toy", space, losses, {"latency_ms": change}, original, {"latency_ms": 0.9 * original["latency_ms"]},
        "accuracy", 0.9, (0, 10), {"profile": 5.0, "significance": 7.0},
    )  # fmt: skip


def toy_trials(header: Header, count: int) -> list[Trial]:
    """Trials whose divergence is the predicted loss, with multipliers of choices that nobody was told."""
    draws = Draws(header.space, header.losses, header.changes, header.original, seed=1)
    hidden = dict(zip(header.losses, np.exp(np.random.default_rng(2).normal(0, 0.7, len(header.losses))), strict=True))
    column = draws.states.losses({name: [hidden[name] * x for x in of] for name, of in header.losses.items()})
    trials = []
    for number in range(count):
        kind, plan = draws.draw(number)
        at = draws.states.of(plan)
        latency = header.original["latency_ms"] + total(header.space, header.changes["latency_ms"], plan)
        loss = float(column[at].sum()) + 1e-3
        rungs = tuple(Rung(s, loss * (1 - 0.05 * s), 0.9, 0.1 * s, 0.5 + 0.01 * latency) for s in header.steps)
        trials.append(Trial(number, kind, plan, {"latency_ms": latency}, 0.2, rungs))
    return trials


@pytest.fixture(scope="module")
def trials(header: Header) -> list[Trial]:
    """A small recording."""
    return toy_trials(header, 160)


def test_states_price_a_plan_as_the_allocation_does(space: Space, header: Header) -> None:
    states, change = States(space), header.changes["latency_ms"]
    flat = states.flat(change)
    for seed in range(20):
        plan = space.random(random.Random(seed))
        columns = states.of(plan)
        assert states.plan(columns) == plan
        assert flat[columns].sum() == pytest.approx(total(space, change, plan))


def test_best_plan_under_prices_is_that_of_brute_force() -> None:
    config = SpaceConfig.model_validate({"methods": ["blocks", "heads", "width"], "width": {"align": 16}})
    space = find_space(toy_model(), config, LENGTH)
    assert any(site.parent for site in space.states)
    states = States(space)
    points = list(itertools.product(*(range(len(choice.options)) for choice in space.choices)))
    assert len(points) < 5000
    every = [states.of(plan) for plan in {space.plan(point) for point in points}]
    for seed in range(5):
        price = np.random.default_rng(seed).normal(size=states.count)
        assert price[states.best(price)].sum() == pytest.approx(min(price[columns].sum() for columns in every))


def test_a_level_is_kept_where_it_can_be(space: Space, header: Header) -> None:
    states = States(space)
    loss, cost = states.losses(header.losses), states.flat(header.changes["latency_ms"])
    least = float(cost[states.best(cost)].sum())
    losses = []
    for share in (0.2, 0.5, 0.9):
        columns = at_level(states, loss, cost, share * least)
        assert cost[columns].sum() <= share * least
        losses.append(loss[columns].sum())
    assert losses == sorted(losses)


def test_draws_are_decided_by_their_number(header: Header) -> None:
    made = [Draws(header.space, header.losses, header.changes, header.original, seed=3) for _ in range(2)]
    forwards = [made[0].draw(number) for number in range(16)]
    backwards = [made[1].draw(number) for number in reversed(range(16))]
    assert forwards == backwards[::-1]
    assert [kind for kind, _ in forwards[: len(KINDS)]] == list(KINDS)
    assert all(header.space.plan(header.space.indices(plan)) == plan for _, plan in forwards)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_exact_front_is_that_of_brute_force(seed: int, interacting: bool) -> None:
    rng = np.random.default_rng(seed)
    alone, units = rng.exponential(1, (4, 3)), rng.integers(1, 6, (4, 3))
    together = rng.exponential(1, (3, 3, 3)) * interacting
    most = int(rng.integers(4, 21))
    found = exact_front(alone, together, units, most)
    least: dict[int, float] = {}
    for point in itertools.product(range(3), repeat=4):
        loss = sum(alone[n, at] for n, at in enumerate(point))
        loss += sum(together[n, point[n], point[n + 1]] for n in range(3))
        cost = int(sum(units[n, at] for n, at in enumerate(point)))
        least[cost] = min(least.get(cost, np.inf), loss)
    expected: list[tuple[int, float]] = []
    for cost in sorted(least):
        if cost <= most and (not expected or least[cost] < expected[-1][1]):
            expected.append((cost, least[cost]))
    assert [cost for cost, _ in found] == [cost for cost, _ in expected]
    np.testing.assert_allclose([loss for _, loss in found], [loss for _, loss in expected])


@pytest.mark.parametrize("interaction", [0.0, 1.0])
def test_synthetic_plans_lie_on_or_behind_the_known_front(interaction: float) -> None:
    problem = synthetic("s", 5, sites=4, ranks=4, interaction=interaction, noise_share=0.0, most=0.8)
    assert problem.front is not None
    points = []
    for indices in itertools.product(range(5), repeat=4):
        plan = problem.space.plan(indices)
        if problem.feasible(plan):
            points.append((problem.truth.evaluate(plan).divergence, problem.costs(plan)["latency_ms"]))
    scale = Scale((1e-3, 0.01), (10.0, 10.0))
    assert scale.hypervolume(np.array(points)) == pytest.approx(scale.hypervolume(problem.front))


def test_more_steps_leave_less_and_take_longer() -> None:
    problem = synthetic("s", 1, sites=6, ranks=4)
    plan = problem.space.plan([0] * 6)
    rungs = [problem.truth.evaluate(plan, rung) for rung in range(4)]
    assert problem.truth.evaluate(plan) == rungs[-1]
    assert [rung.seconds for rung in rungs] == sorted(rung.seconds for rung in rungs)
    means = [np.mean([_mean_after(seed, rung) for seed in range(30)]) for rung in range(4)]
    assert means == sorted(means, reverse=True)
    assert trained(1.0) > trained(0.5)


def _mean_after(seed: int, rung: int) -> float:
    problem = synthetic("s", seed, sites=6, ranks=4)
    return problem.truth.evaluate(problem.space.plan([0] * 6), rung).divergence


def test_a_recording_is_read_as_it_was_written(tmp_path: Path, header: Header, trials: list[Trial]) -> None:
    path = tmp_path / "toy.jsonl"
    path.write_text("\n".join([header.to_json(), *map(trial_to_json, trials[:3])]) + "\n")
    there, found = read(path)
    assert found == trials[:3]
    assert there.space == header.space
    assert there.losses == header.losses
    assert there.to_json() == header.to_json()
    np.testing.assert_allclose(
        States(header.space).flat(there.changes["latency_ms"]),
        States(header.space).flat(header.changes["latency_ms"]),
        rtol=1e-5,
    )


@pytest.mark.parametrize("content", ["", "{}\n", '{"version": 0}\n', "nonsense\n"])
def test_what_is_no_recording_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text(content)
    with pytest.raises(RunError):
        read(path)


def test_a_replay_is_one_world_a_seed(header: Header, trials: list[Trial]) -> None:
    one, same, other = (Replay(header, trials, seed) for seed in (1, 1, 2))
    plans = [trial.plan for trial in trials[:20]]
    assert [one.evaluate(plan) for plan in plans] == [same.evaluate(plan) for plan in reversed(plans)][::-1]
    assert [one.evaluate(plan) for plan in plans] != [other.evaluate(plan) for plan in plans]
    logs = np.log([[one.evaluate(trial.plan).divergence, trial.rungs[-1].divergence] for trial in trials])
    assert np.corrcoef(logs.T)[0, 1] > 0.9
    assert one.evaluate(plans[0], 0).seconds < one.evaluate(plans[0]).seconds


def test_unseen_trials_are_predicted(header: Header, trials: list[Trial]) -> None:
    for _, r2, tau, _ in validate(header, trials):
        assert r2 > 0.8
        assert tau > 0.7
    shuffled = [trial.rungs for trial in trials]
    random.Random(0).shuffle(shuffled)
    mixed = [Trial(t.number, t.kind, t.plan, t.costs, 0.1, rungs) for t, rungs in zip(trials, shuffled, strict=True)]
    assert all(r2 < 0.3 for _, r2, _, _ in validate(header, mixed))


def test_indicators_of_known_fronts() -> None:
    centre = np.array([[0.1, 10.0]])
    assert SCALE.hypervolume(centre) == pytest.approx(0.25)
    assert SCALE.hypervolume(np.array([[0.1, 10.0], [0.01, 50.0], [0.2, 20.0]])) > 0.25
    assert SCALE.hypervolume(np.array([[1.0, 1.0], [2.0, 5.0]])) == pytest.approx(0.0)
    assert SCALE.hypervolume(np.array([[1e-9, 1e-9]])) == pytest.approx(1.0)
    assert SCALE.hypervolume(np.zeros((0, 2))) == 0.0
    assert SCALE.epsilon(centre, np.array([[0.01, 10.0]])) == pytest.approx(0.5)
    assert SCALE.epsilon(centre, centre) == pytest.approx(0.0)


def test_a_curve_is_the_hypervolume_of_its_beginnings() -> None:
    points = np.exp(np.random.default_rng(0).uniform(-5, 4, (40, 2)))
    found = curve(SCALE, points, range(1, 41))
    np.testing.assert_allclose(found, [SCALE.hypervolume(points[:count]) for count in range(1, 41)])
    assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize("name", [name for name in CONTESTANTS if name != "gp"])
def test_contestants_propose_new_plans_within_the_limits(name: str) -> None:
    problem = synthetic("s", 0, sites=5, ranks=4, most=0.5)

    def proposed() -> list[Plan]:
        contestant, found = CONTESTANTS[name](problem, 7, 24), list[Plan]()
        while len(found) < 24 and (plan := contestant.ask()) is not None:
            contestant.tell(plan, problem.truth.evaluate(plan).divergence, problem.costs(plan))
            found.append(plan)
        return found

    found = proposed()
    assert len(found) == 24 or (name in ("uniform", "greenformer") and len(found) > 1)
    assert all(problem.feasible(plan) for plan in found)
    assert len(set(found)) == len(found)
    assert proposed() == found


def test_what_is_needed_before_the_first_trial_is_on_the_clock() -> None:
    problem = synthetic("s", 0, sites=5, ranks=4)
    plain = play(problem, CONTESTANTS["random"](problem, 0, 3), 3)
    seeded = play(problem, CONTESTANTS["seeds + tpe"](problem, 0, 3), 3)
    seconds = problem.truth.evaluate(problem.space.plan([0] * 5)).seconds
    assert 60 + 3 * seconds < plain[-1][2] < 60 + 3 * seconds + 5
    assert seeded[0][2] > 120 + seconds


def test_a_replay_is_a_problem(header: Header, trials: list[Trial]) -> None:
    problem = replayed(header, trials, "toy")
    points = play(problem, CONTESTANTS["seeds + tpe"](problem, 0, 12), 12)
    assert len(points) == 12
    assert all(latency <= header.limits["latency_ms"] * (1 + 1e-6) for _, latency, _ in points)


def test_plans_of_one_global_rank_come_to_what_was_recorded_of_them(header: Header, trials: list[Trial]) -> None:
    plans = global_rank_plans(header.space)
    assert {settings["rank"] for settings in plans[0].values()} == {2}
    rungs = tuple(Rung(steps, 0.5, 0.6, 1.0, 1.0) for steps in header.steps)
    plain = [Trial(FIRST + n, KIND, plan, {"latency_ms": 1.0}, 0.1, rungs) for n, plan in enumerate(plans)]
    with_plain, without = replayed(header, [*trials, *plain], "toy"), replayed(header, trials, "toy")
    assert with_plain.truth.evaluate(plans[0]) == without.truth.evaluate(plans[0])
    free = replace(with_plain, limits={})
    points = play(free, CONTESTANTS["greenformer"](free, 0, 12), 12)
    assert [divergence for divergence, _, _ in points] == [0.5] * len(plans)


class FixedBench(Bench):
    """Its scale is fixed, and its fronts are what the games found."""

    def scale(self, problem: Problem) -> Scale:
        """Always the same."""
        return SCALE


def test_games_are_compared_seed_by_seed() -> None:
    def game(name: str, seed: int, rows: list[tuple[float, float]]) -> Game:
        return Game("two", name, seed, np.array(rows), 10.0 * np.arange(1.0, len(rows) + 1))

    slow, quick = [(0.5, 50.0)] * 14 + [(0.1, 10.0)], [(0.5, 50.0), (0.1, 10.0)] + [(0.9, 90.0)] * 13
    games = [game(n, seed, rows) for seed in (0, 1) for n, rows in (("tpe", slow), ("seeds + tpe", quick))]
    games += [game("random", seed, [(0.01, 10.0)] * 15) for seed in (0, 1)]
    bench = FixedBench("two", lambda seed: replace(synthetic("two", seed, sites=2, ranks=2), front=None), 0.01)
    curves = Curves(bench, games)
    assert curves.reached("seeds + tpe") == [2.0, 2.0]
    assert curves.reached("seeds + tpe", clock=True) == [20.0, 20.0]
    assert curves.reached("tpe") == [15.0, 15.0]
    assert curves.behind("seeds + tpe", "random") == [11, 12, 13, 14, 15]
    assert "seeds + tpe is behind random after 11 to 15 trials" in markdown(bench, games)


def test_a_drivers_time_passes_while_workers_wait() -> None:
    ticks = itertools.count()
    pool = SimulatedPool(2, 10.0, lambda plan: 0.1, clock=lambda: float(next(ticks)))
    pool.submit(0, "a", "{}")  # at 0; each call of the pool takes the driver one second to come to
    pool.submit(1, "b", "{}")  # at 1
    assert (pool.free, pool.busy) == (0, 2)
    assert pool.wait(1.0) == []  # from 2 to 3
    finished = pool.wait(100.0)  # until 10
    assert [each.tag for each in finished] == [0]
    pool.submit(2, "c", "{}")  # at 11
    assert [pool.wait(100.0)[0].tag for _ in range(2)] == [1, 2]  # ended at 11, asked for at 12; at 21
    assert pool.submitted == [0.0, 1.0, 11.0]
    assert pool.finished == [10.0, 11.0, 21.0]
    assert pool.now == 21.0
    assert pool.spent_at == [3.0, 5.0, 6.0]
    whole, full = pool.busy_share()
    assert whole == pytest.approx((10 + 10) / (2 * 11))
    assert full == pytest.approx((9 + 10) / (2 * 10))
