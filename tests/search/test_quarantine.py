"""A setting that trials die of is found, by what they share and no scored one has, and left out from then on."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.search.encodings import AllocationEncoding
from greenfront.search.front import Front
from greenfront.search.history import History
from greenfront.search.journal import Result, State
from greenfront.search.limits import cost_axes
from greenfront.search.proposals import without_quarantined
from greenfront.search.quarantine import CERTAIN, DEADLY, FEW, Quarantine
from greenfront.search.quarantined import Setting
from greenfront.search.report_failures import failures_part
from greenfront.spaces import Plan
from tests.search.front_builder import build_front
from tests.search.test_driver import FormulaPool, Notes, driver_at, results_in, states
from tests.search.test_driver import weights_are_here as weights_are_here
from tests.search.toy_run import toy_config, toy_limits, toy_losses, toy_profile, toy_space

DEADLY_SITE = toy_space().sites[3].path
DEADLY_SETTING: Setting = (DEADLY_SITE, "rank", 2)
NUMBERS = count()


def of(state: State, *places: int) -> Result:
    """A trial with rank 2 at the sites of these numbers."""
    plan = Plan({toy_space().sites[place].path: {"rank": 2} for place in places})
    return Result(next(NUMBERS), plan, "sampler", state, reason=f"died {places}" if state == "failed" else "")


def found(results: Sequence[Result]) -> set[Setting]:
    return set(Quarantine(results).settings)


def setting(place: int) -> Setting:
    return toy_space().sites[place].path, "rank", 2


def test_the_third_failure_is_one_too_many() -> None:
    failed = [of("failed", 0, other) for other in (1, 2, 3)]
    assert found(failed[:2]) == set()
    assert found(failed) == {setting(0)}
    quarantine = Quarantine(failed[:2])
    (new,) = quarantine.add(failed[2])
    assert new.words == f"rank 2 at {toy_space().sites[0].path}"
    assert new.trials == tuple(result.plan.id for result in failed)
    assert new.reason == failed[2].reason
    assert quarantine.add(failed[2]) == ()
    assert quarantine.of(of("scored", 0, 5).plan) == (new,)
    assert quarantine.of(of("scored", 5).plan) == ()


def test_where_all_trials_fail_nobody_is_to_blame_but_what_all_have() -> None:
    failed = [of("failed", 0, other) for other in (1, 2, 3)]
    assert found([*failed, of("failed", 4)]) == set()
    assert found([*failed, of("failed", 4), of("scored", 5)]) == {setting(0)}


def test_whoever_was_scored_elsewhere_is_innocent() -> None:
    failed = [of("failed", 0, 1, other) for other in (2, 3, 4)]
    assert found(failed) == {setting(0), setting(1)}
    assert found([*failed, of("scored", 1)]) == {setting(0)}
    assert found([of("scored", 0), of("scored", 1), *failed]) == set()
    assert found([of("rejected", 1), *failed]) == {setting(0), setting(1)}


def test_many_suspects_wait_for_more_evidence() -> None:
    several = range(FEW + 1)
    failed = [of("failed", *several, 6 + other) for other in range(CERTAIN)]
    assert found(failed[:DEADLY]) == set()
    assert found([*failed[:DEADLY], of("scored", 0)]) == {setting(place) for place in several if place}
    assert found(failed) == {setting(place) for place in several}


@given(
    st.lists(st.tuples(st.sampled_from(["failed", "scored", "rejected"]), st.sets(st.integers(0, 9), min_size=1)),
             max_size=20, unique_by=lambda each: frozenset(each[1])),
    st.randoms(),
)  # fmt: skip
def test_it_follows_from_the_results_whatever_their_order(trials: list[tuple[State, set[int]]], rng: object) -> None:
    results = [of(state, *sorted(places)) for state, places in trials]
    shuffled = sorted(results, key=lambda _: rng.random())  # type: ignore[attr-defined]
    assert found(results) == found(shuffled)
    for path, key, value in found(results):
        having = [result for result in results if result.plan.get(path, {}).get(key) == value]
        assert sum(result.state == "failed" for result in having) >= DEADLY
        assert all(result.state != "scored" for result in having)


def dying(plan: Plan) -> str:
    return "the worker died: a segmentation fault" if plan.get(DEADLY_SITE, {}).get("rank") == 2 else ""


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_search_leaves_out_what_kills_and_says_so(sampler: str, tmp_path: Path) -> None:
    search = {"trials": 25, "finalists": 4, "sampler": sampler}
    driver, pool, report = driver_at(tmp_path, search=search), FormulaPool(lambda _, plan: dying(plan)), Notes()
    driver.search(pool, report)
    failed = [result for result in driver.study.results if result.state == "failed"]
    assert DEADLY <= len(failed) <= DEADLY + 2  # two were under way, or suspects were many
    assert states(driver)["scored"] == 25 - len(failed)
    (note,) = [note for note in report.notes if "not tried any more" in note and DEADLY_SITE in note]
    assert note.startswith(f"rank 2 at {DEADLY_SITE} is not tried any more: ")
    assert note.endswith("the last: the worker died: a segmentation fault")
    assert any(result.reason == f"in quarantine: rank 2 at {DEADLY_SITE}" for result in results_in(tmp_path))

    # Another start knows it, and tries it neither by its sampler nor where it is suggested.
    more = driver_at(tmp_path, search={**search, "trials": 30}, suggested=[Plan({DEADLY_SITE: {"rank": 2}})])
    again = FormulaPool(lambda _, plan: dying(plan))
    more.search(again, Notes())
    assert again.submitted
    assert not [plan for plan in again.submitted if dying(plan)]


def test_an_allocation_has_nothing_of_it(tmp_path: Path) -> None:
    config, space, profile = toy_config(tmp_path, budgets={"latency": "40%"}), toy_space(), toy_profile()
    limits, losses = toy_limits(config, space, profile), toy_losses(space)
    axes = cost_axes(config, space, {"toy": profile}, {"toy": profile.original})
    encoding = AllocationEncoding(space, losses, limits, axes)
    middle = {**dict.fromkeys(encoding.positions, 0.9), **dict.fromkeys(encoding.multipliers, 0.0)}
    before = encoding.plan(middle)
    path, settings = next(iter(before.items()))
    encoding.avoid(lambda site, chosen: site == path and chosen == settings)
    after = encoding.plan(middle)
    assert after.get(path, {}) != settings
    assert after != before
    quarantine = Quarantine([of("failed", 0, other) for other in (1, 2, 3)])
    table = without_quarantined(space, losses, quarantine)
    (name,) = [choice.name for choice in space.choices if choice.site.path == space.sites[0].path]
    place = [dict(option) for option in space.choices[0].options].index({"rank": 2})
    assert table[name][place] == float("inf")
    assert sum(value == float("inf") for losses in table.values() for value in losses) == 1
    assert without_quarantined(space, losses, Quarantine()) is losses


def test_the_front_and_the_report_tell_of_it(tmp_path: Path) -> None:
    driver = driver_at(tmp_path, search={"trials": 20, "sampler": "random"})
    driver.search(FormulaPool(lambda _, plan: dying(plan)), Notes())
    history = History.of(driver.run, driver.config, driver.original, driver.profiles)
    assert history is not None
    quarantined = tuple(Quarantine(each.result for each in history.tried).settings.values())
    assert DEADLY_SETTING in [each.setting for each in quarantined]
    section = failures_part(history)
    assert f"<li>rank 2 at {DEADLY_SITE}: not tried any more" in section
    assert "the worker died: a segmentation fault" in section
    plain = build_front()
    front = Front(
        plain.original, plain.candidates, plain.metric, plain.targets, plain.budgets, plain.objectives,
        quarantined=quarantined,
    )  # fmt: skip
    assert Front.from_json(front.to_json()).quarantined == quarantined
    assert "quarantined" not in plain.to_json()
