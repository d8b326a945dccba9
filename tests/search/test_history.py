"""How a search went, from its journal: the hypervolume's curve, the ladder, and what the report says of both."""

import itertools
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import create_trial

from greenfront.config import RunConfig
from greenfront.search.chart import Section
from greenfront.search.driver import Driver
from greenfront.search.history import History, busy_seconds, known_spans
from greenfront.search.hypervolume import Progression
from greenfront.search.hypervolume_figure import hypervolume_figures, hypervolume_words
from greenfront.search.journal import Result, RungScore, State
from greenfront.search.objectives import objective_names
from greenfront.search.reopening import Earlier, reopened
from greenfront.search.report import write_report
from greenfront.search.report_search import search_section
from greenfront.search.run_folder import RunFolder
from greenfront.search.rungs_figure import climbers, points, rungs_figure, rungs_words
from greenfront.search.samplers import make_sampler
from greenfront.search.stored import adopt, stored_results
from greenfront.search.study import RANDOM, Study
from greenfront.spaces import Plan
from tests.search.front_builder import build_front
from tests.search.test_driver import FormulaPool, Notes, driver_at
from tests.search.test_driver import weights_are_here as weights_are_here
from tests.search.test_promotions import RUNGS, RungPool, on_rungs, sections
from tests.search.test_report import Page
from tests.search.toy_run import toy_config, toy_profile, toy_space

EVIL = "<img src=x onerror=alert(1)>"
MIDNIGHT = datetime(2026, 1, 1)
spans = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10)), min_size=1, max_size=6)


def history_of(driver: Driver) -> History:
    history = History.of(driver.run, driver.config, driver.original, {"toy": toy_profile()})
    assert history is not None
    return history


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Driver:
    """Of a run with two first plans, one of which failed."""
    space = toy_space()
    point = [0] * len(space.choices)
    suggested = [space.plan(point), space.plan([*point[:-1], 1])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("greenfront.search.pool.Pool.fetch", staticmethod(lambda weights: weights))
        made = driver_at(tmp_path_factory.mktemp("run"), suggested=suggested, budgets={"accuracy_drop": "90%"})
        made.search(FormulaPool(lambda number, plan: EVIL if plan == suggested[1] else ""), Notes())
    return made


@given(spans, st.lists(st.integers(0, 50), max_size=5))
def test_time_passes_only_while_something_runs(given_spans: list[tuple[int, int]], moments: list[int]) -> None:
    times = [(MIDNIGHT + timedelta(seconds=a), MIDNIGHT + timedelta(seconds=a + length)) for a, length in given_spans]
    covered = {second for begin, length in given_spans for second in range(begin, begin + length)}
    found = busy_seconds(times, [MIDNIGHT + timedelta(seconds=moment) for moment in moments])
    assert found == [sum(second < moment for second in covered) for moment in moments]


def test_the_curve_is_that_of_the_trials_in_the_order_in_which_they_ended(driver: Driver) -> None:
    history = history_of(driver)
    assert [each.result for each in history.tried] == driver.study.results
    assert history.rungs == ()
    curve = history.curve
    assert [each.trials for each in curve] == list(range(1, 13))
    ended = [each.tried.trial.datetime_complete for each in curve]
    assert ended == sorted(ended, key=lambda moment: moment or MIDNIGHT)
    for earlier, later in itertools.pairwise(curve):
        assert later.seconds >= earlier.seconds >= 0
        assert later.hypervolume >= earlier.hypervolume >= 0
    results = [each.tried.result for each in curve]
    predicted = [{"toy": toy_profile().predict(result.plan)} for result in results]
    expected = Progression(driver.config, driver.original).after(results, predicted)
    assert [each.hypervolume for each in curve] == pytest.approx(expected.tolist())
    assert curve[-1].hypervolume > 0


def test_the_curve_is_drawn_over_trials_and_over_time(driver: Driver) -> None:
    history = history_of(driver)
    over_trials, over_time = hypervolume_figures(history)
    for figure, x in (
        (over_trials, [each.trials for each in history.curve]), (over_time, [each.seconds for each in history.curve])
    ):  # fmt: skip
        line, *groups = figure.series
        assert list(line.x) == pytest.approx([0, *x])
        assert list(line.y) == pytest.approx([0, *(each.hypervolume for each in history.curve)])
        assert [group.name for group in groups] == ["first plans (2)", "proposed by the sampler (10)"]
        assert [len(group.x) for group in groups] == [2, 10]
        assert EVIL in json.dumps(figure.to_dict())  # text in the page's JSON, which never becomes markup
    assert over_time.x.title == "time (seconds)"
    hours = replace(history, curve=tuple(replace(each, seconds=5000.0 * each.seconds + 7200) for each in history.curve))
    assert hypervolume_figures(hours)[1].x.title == "time (hours)"
    assert f"came to {history.curve[-1].hypervolume:.3f}" in hypervolume_words(history)
    assert hypervolume_words(replace(history, curve=history.curve[-1:])).endswith("after 12 trials.")
    one = replace(history.curve[-1], trials=1)
    assert hypervolume_words(replace(history, curve=(one,))).endswith("after 1 trial.")
    assert "\nafter 1 trial, " in hypervolume_figures(replace(history, curve=(one,)))[0].series[1].words[0]


def test_without_a_feasible_trial_the_curve_is_flat_and_says_so(driver: Driver) -> None:
    history = history_of(driver)
    for flat in (replace(history, curve=()), replace(history, curve=(replace(history.curve[0], hypervolume=0.0),))):
        assert "stayed at nothing" in hypervolume_words(flat)
        assert "kept every budget" not in hypervolume_words(flat)  # some may have, too far from the original
        hypervolume_figures(flat)


def asked(folder: Path, trials: int, budgets: dict[str, str]) -> RunConfig:
    search = {"trials": trials, "finalists": 4, "sampler": "random"}
    return toy_config(folder, search=search, budgets={"accuracy_drop": "90%", **budgets})


def test_trials_of_an_earlier_configuration_are_marked(driver: Driver, tmp_path: Path) -> None:
    """Those that were taken over, however often the study that they were taken into goes on."""
    run, budgets = RunFolder(tmp_path / "run"), {"latency": "99%"}
    shutil.copytree(driver.run.path, run.path)
    config = asked(run.path, 12, budgets)
    reopened(config)
    study = Study(toy_space(), objective_names(config), make_sampler("random", {}, 0), run.study)
    adopt(study, stored_results(Earlier.all(run)), driver.original, {"toy": toy_profile()}, config)
    for trials in (12, 14, 15):
        config = asked(run.path, trials, budgets)
        reopened(config)
        search: dict[str, object] = config.search.model_dump(include={"trials", "finalists", "sampler"})
        going_on = driver_at(run.path, search=search, budgets={"accuracy_drop": "90%", **budgets})
        going_on.search(FormulaPool(), Notes())
        history = history_of(going_on)
        assert [each.stored for each in history.tried] == [True] * 12 + [False] * (trials - 12)
        groups = hypervolume_figures(history)[0].series[1:]
        counts = {group.name.partition(" (")[0]: len(group.x) for group in groups}
        assert counts.pop("of an earlier configuration") == 12
        assert sum(counts.values()) == trials - 12
    assert len(Earlier.all(run)) == 3


def test_trials_of_a_study_that_goes_on_are_its_own(driver: Driver, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    shutil.copytree(driver.run.path, run.path)
    reopened(asked(run.path, 20, {}))
    assert len(stored_results(Earlier.all(run))) == 12
    history = History.of(run, driver.config, driver.original, {"toy": toy_profile()})
    assert history is not None
    assert not any(each.stored for each in history.tried)


def test_plans_drawn_at_random_are_no_first_plans(driver: Driver) -> None:
    history = history_of(driver)
    last = history.curve[-1]
    drawn = replace(last, tried=replace(last.tried, result=replace(last.tried.result, origin=RANDOM)))
    groups = hypervolume_figures(replace(history, curve=(*history.curve[:-1], drawn)))[0].series[1:]
    assert [group.name for group in groups] == [
        "first plans (2)", "drawn at random within the budgets (1)", "proposed by the sampler (9)"
    ]  # fmt: skip


def test_a_ladder_says_when_its_ends_were_climbed() -> None:
    def spans_of(seconds: float, rungs: tuple[float, ...], end: int | None) -> list[tuple[float, float]]:
        trial = create_trial(value=1.0)
        trial.datetime_start = MIDNIGHT
        trial.datetime_complete = None if end is None else MIDNIGHT + timedelta(seconds=end)
        scores = tuple(RungScore(steps, 0.9, 0.1, took) for steps, took in enumerate(rungs))
        state: State = "paused" if end is None else "scored"
        result = Result(0, Plan(), "sampler", state, 0.9, 0.1, seconds, rungs=scores)
        found = known_spans(trial, result)
        return [((a - MIDNIGHT).total_seconds(), (b - MIDNIGHT).total_seconds()) for a, b in found]

    assert spans_of(60, (), 70) == [(10, 70)]  # it was asked for while another one was trained
    assert spans_of(60, (10,), None) == [(0, 10)]
    assert spans_of(60, (10, 20), 50_000) == [(0, 10), (49_970, 50_000)]


def test_a_clock_that_was_set_back_leaves_a_curve_that_never_falls() -> None:
    result = Result(0, Plan({"m": {"rank": 1}}), "sampler", "scored", 0.9, 0.1, seconds=3.0)
    trial = create_trial(params={}, distributions={}, values=[0.1])
    trial.datetime_start, trial.datetime_complete = MIDNIGHT, MIDNIGHT - timedelta(hours=1)
    assert known_spans(trial, result) == []
    first = (MIDNIGHT, MIDNIGHT + timedelta(seconds=2))
    assert known_spans(trial, replace(result, rungs=(RungScore(2, 0.9, 0.1, 2.0),))) == [first]


def test_a_night_between_two_starts_takes_no_time(tmp_path: Path) -> None:
    """Also for trials that are paused in one and finished in the other."""
    with pytest.raises(KeyboardInterrupt):
        on_rungs(tmp_path).search(RungPool(stop_after=14), Notes())
    journal, night = tmp_path / "study.journal", timedelta(hours=12)
    evening = journal.read_text().splitlines()
    driver = on_rungs(tmp_path)
    driver.search(RungPool(), Notes())

    def shifted(line: str) -> str:
        entry = json.loads(line)
        for key in entry.keys() & {"datetime_start", "datetime_complete"}:
            if entry[key] is not None:
                entry[key] = (datetime.fromisoformat(entry[key]) + night).isoformat(timespec="microseconds")
        return json.dumps(entry)

    morning = [shifted(line) for line in journal.read_text().splitlines()[len(evening) :]]
    journal.write_text("".join(f"{line}\n" for line in [*evening, *morning]))
    history = history_of(driver)
    times = [(each.tried.trial.datetime_start, each.tried.trial.datetime_complete) for each in history.curve]
    assert any(begin and end and end - begin > night for begin, end in times)
    assert 0 < history.curve[-1].seconds < 60


def test_failures_of_an_earlier_question_are_not_of_this_ladder(tmp_path: Path) -> None:
    first = on_rungs(tmp_path)
    first.search(RungPool(lambda plan, stop: "diverged" if not stop and int(plan.id, 16) % 2 else ""), Notes())
    failed = sum(result.state == "failed" for result in first.study.results)
    assert 0 < failed < 12
    assert on_rungs(tmp_path).outlook.words()["rungs"].endswith(f", {failed} failed")
    config = toy_config(tmp_path, **sections(12, {"latency": "99%"}))
    run = reopened(config)
    study = Study(toy_space(), objective_names(config), make_sampler("random", {}, 0), run.study)
    adopt(study, stored_results(Earlier.all(run)), first.original, {"toy": toy_profile()}, config)
    driver = on_rungs(tmp_path, budgets={"latency": "99%"})
    assert sum(result.state == "failed" for result in driver.study.results) == failed
    assert "failed" not in driver.outlook.words()["rungs"]


def test_a_run_without_trials_has_no_history(driver: Driver, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert History.of(run, driver.config, driver.original, {}) is None
    lines = driver.run.study.read_text().splitlines(keepends=True)
    run.study.write_text(lines[0])
    assert History.of(run, driver.config, driver.original, {}) is None
    assert search_section(None) == Section()


@pytest.fixture(scope="module")
def climbed(tmp_path_factory: pytest.TempPathFactory) -> Driver:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("greenfront.search.pool.Pool.fetch", staticmethod(lambda weights: weights))
        driver = on_rungs(tmp_path_factory.mktemp("rungs"), trials=30)
        driver.search(RungPool(), Notes())
    return driver


def test_every_trial_has_a_line_through_its_rungs(climbed: Driver) -> None:
    history, results = history_of(climbed), climbed.study.results
    trials = [each.trials for each in history.curve]
    assert trials == sorted(trials)
    assert trials[-1] <= len(results)
    assert len(trials) == sum(result.state == "scored" for result in results)
    assert history.rungs == RUNGS
    sorts = climbers(history)
    assert sorted(r.number for group in sorts.values() for r in group) == [r.number for r in results]
    assert sorts["finished"] == [r for r in results if r.state == "scored"]
    assert sorts["stopped"] == [r for r in results if r.state == "paused" and len(r.rungs) == 1]
    assert sorts["promoted"] == [r for r in results if r.state == "paused" and len(r.rungs) > 1]
    assert sorts["finished"]
    assert sorts["stopped"]
    figure = rungs_figure(history)
    assert [words for _, words in figure.x.ticks or ()] == [str(steps) for steps in RUNGS]
    assert not any("stopped" in series.name for series in figure.series)  # they may go on, where a search goes on
    kinds = [kind for kind, found in sorts.items() if found]
    for kind, series in zip(kinds, figure.series, strict=True):
        expected: list[float | None] = []
        for result in sorts[kind]:
            expected += [divergence for _, divergence, _ in points(result, history)] + [None]
        assert [None if y is None else round(y, 9) for y in series.y] == [
            None if y is None else round(y, 9) for y in expected
        ]
    stood = [sum(len(r.rungs) + (r.state == "scored") > rung for r in results) for rung in range(len(RUNGS))]
    words = rungs_words(history)
    for rung, steps in enumerate(RUNGS[:-1]):
        assert f"{stood[rung + 1]} of {stood[rung]} from {steps} steps" in words


def test_a_trial_that_failed_on_its_way_and_a_divergence_of_nothing(climbed: Driver) -> None:
    history = history_of(climbed)
    finished = next(each for each in history.tried if each.result.state == "scored")
    failed = replace(finished.result, state="failed", validation=None, divergence=None, reason=EVIL, origin=EVIL)
    broken = replace(failed, rungs=(replace(failed.rungs[0], divergence=math.nan),))
    perfect = replace(finished.result, rungs=(replace(failed.rungs[0], divergence=0.0),))
    odd = replace(history, tried=tuple(replace(finished, result=result) for result in (failed, broken, perfect)))
    assert len(climbers(odd)["failed"]) == 2
    figure = rungs_figure(odd)
    json.dumps(figure.to_dict(), allow_nan=False)
    assert all(y is None or y > 0 for series in figure.series for y in series.y)
    kept = replace(history, tried=(replace(finished, result=replace(finished.result, untrained=True)),))
    assert rungs_figure(kept).series[0].words[len(RUNGS) - 1].endswith(", kept as it was built")
    idle = replace(finished, result=replace(finished.result, untrained=True, steps=0))
    shown = rungs_figure(replace(history, tried=(idle,))).series[0].words
    assert f"after {RUNGS[0]} steps" in shown[0]
    for steps, text in zip(RUNGS[1:], shown[1:3], strict=True):
        assert f"on the rung of {steps} steps, none taken" in text
    assert f" {RUNGS[-1]} steps were trained, 50.0% of" in rungs_words(replace(history, tried=(finished, idle)))
    lowest = f"3 of 3 from {RUNGS[0]} steps"
    assert lowest in rungs_words(odd)


def test_the_report_has_what_there_is(driver: Driver, climbed: Driver, tmp_path: Path) -> None:
    def shown(history: History | None) -> tuple[str, Page]:
        write_report(build_front(verified=2, unverified=1), tmp_path / "report.html", run_info={}, history=history)
        text = (tmp_path / "report.html").read_text(encoding="utf-8")
        return text, Page(text)

    titles: dict[str, Callable[[], History | None]] = {
        "none": lambda: None, "plain": lambda: history_of(driver), "rungs": lambda: history_of(climbed)
    }  # fmt: skip
    found = {name: shown(make()) for name, make in titles.items()}
    assert 'id="tab-search"' not in found["none"][0]
    assert "<h2>Hypervolume</h2>" in found["plain"][0]
    assert "<h2>Promotions</h2>" not in found["plain"][0]
    assert "<h2>Promotions</h2>" in found["rungs"][0]
    assert "1 trial of 12 failed." in found["plain"][0]  # its reason, which is EVIL, is text
    assert EVIL not in found["plain"][0]
    for name, count in (("none", 0), ("plain", 2), ("rungs", 3)):
        page = found[name][1]
        names = [a["data-chart"] for _, a in page.tags if str(a.get("data-chart")).startswith("search-")]
        assert names == [f"search-{number}" for number in range(count)]
        assert set(names) <= set(page.view["charts"])
    assert "can&#x27;t be told from chance" in found["plain"][0]
