"""Which study a configuration asks for."""

from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution

from greenfront.config import RunConfig
from greenfront.errors import ConfigError
from greenfront.search.allocation_sampler import AllocationSampler
from greenfront.search.driver import Driver
from greenfront.search.pool import Pool
from greenfront.search.run_folder import RunFolder
from greenfront.search.sampling import check_sampler, make_study
from greenfront.search.slack import missed_budgets
from greenfront.search.study import Study
from greenfront.search.verify import original_candidate
from tests.search.test_driver import FormulaPool, Notes
from tests.search.toy_run import toy_config, toy_limits, toy_losses, toy_model, toy_profile, toy_space


def config_with(folder: Path, search: dict[str, object], **sections: object) -> RunConfig:
    return toy_config(folder / "run", search=search, **{"budgets": {"latency": "80%"}, **sections})


def study_of(config: RunConfig, journal: Path) -> Study:
    profile, space = toy_profile(), toy_space()
    limits, reference = toy_limits(config, space, profile), {"toy": profile.original}
    return make_study(config, space, toy_losses(space), {"toy": profile}, reference, limits, journal)


def driver_of(config: RunConfig) -> Driver:
    profile, space, run = toy_profile(), toy_space(), RunFolder.create(config)
    original, limits = original_candidate(1.0, {"toy": profile}, config), toy_limits(config, space, profile)
    study = study_of(config, run.study)
    return Driver(config, run, study, {"toy": profile}, original, toy_losses(space), limits, toy_model(), None)


def kinds(study: Study) -> set[type]:
    return {type(distribution) for distribution in study._distributions.values()}


def test_without_a_word_parameters_are_choices(tmp_path: Path) -> None:
    study = study_of(config_with(tmp_path, {"trials": 4}), tmp_path / "study.journal")
    assert sorted(study._distributions) == sorted(choice.name for choice in toy_space().choices)


@pytest.mark.parametrize(
    "search",
    [{"sampler": "allocation"}, {"sampler": "allocation", "encoding": "allocation"}, {"encoding": "allocation"}],
)
def test_allocations_are_within_the_budgets(search: dict[str, object], tmp_path: Path) -> None:
    config = config_with(tmp_path, {"trials": 4, **search})
    check_sampler(config)
    study, profile = study_of(config, tmp_path / "study.journal"), toy_profile()
    assert kinds(study) == {FloatDistribution}
    assert isinstance(study._memory.sampler, AllocationSampler) == ("sampler" in search)
    original = original_candidate(1.0, {"toy": profile}, config)
    for _ in range(6):
        plan = study.ask().plan
        assert not missed_budgets({"toy": profile.predict(plan)}, 1.0, original, config.budgets)


def test_several_costs_have_a_position_each(tmp_path: Path) -> None:
    config = config_with(tmp_path, {"sampler": "allocation"}, objectives=["size", "accuracy", "latency"])
    study = study_of(config, tmp_path / "study.journal")
    assert [name for name in study._distributions if "position" in name] == ["position on size", "position on latency"]
    sampler = study._memory.sampler
    assert isinstance(sampler, AllocationSampler)
    assert sampler._trials._learnt == 1


def test_the_learning_sampler_needs_something_to_learn(tmp_path: Path) -> None:
    config = config_with(tmp_path, {"sampler": "allocation"}, objectives=["size", "latency"])
    with pytest.raises(ConfigError, match=r"search\.sampler: allocation .* accuracy among them, but are size, latency"):
        check_sampler(config)


def test_the_learning_sampler_takes_no_options(tmp_path: Path) -> None:
    config = config_with(tmp_path, {"sampler": "allocation", "sampler_options": {"n_startup_trials": 3}})
    with pytest.raises(ConfigError, match=r"search\.sampler_options: allocation takes none, but got .*n_startup"):
        check_sampler(config)


def test_a_sampler_of_optuna_is_checked_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"one of tpe, .*, allocation or a class of optuna\.samplers, but got 'tqe'"):
        check_sampler(config_with(tmp_path, {"sampler": "tqe"}))


def test_the_learning_sampler_on_direct_parameters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"encoding allocation, or none, for the sampler allocation, but has direct"):
        config_with(tmp_path, {"sampler": "allocation", "encoding": "direct"})
    with pytest.raises(ConfigError, match="encoding"):
        config_with(tmp_path, {"encoding": "both"})


@pytest.mark.parametrize("search", [{"sampler": "allocation"}, {"sampler": "random", "encoding": "allocation"}])
def test_a_search_over_allocations_rejects_none_for_its_costs(
    search: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pool, "fetch", staticmethod(lambda weights: weights))
    config = config_with(tmp_path, {"trials": 10, "finalists": 4, **search}, budgets={"latency": "60%", "size": "80%"})
    driver, pool = driver_of(config), FormulaPool()
    driver.search(pool, Notes())
    assert len(set(pool.submitted)) == 10
    assert not [result for result in driver.study.results if "predicted over budget" in result.reason]
    continued = driver_of(config)
    assert continued.complete
    assert continued.study.results == driver.study.results


def test_where_budgets_leave_one_plan_it_is_tried_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pool, "fetch", staticmethod(lambda weights: weights))
    space = toy_space()
    cheapest = space.plan([0] * len(space.choices))
    least = toy_profile().predict(cheapest).latency_ms.median
    config = config_with(tmp_path, {"trials": 5, "sampler": "allocation"}, budgets={"latency": f"{least + 1e-6} ms"})
    driver, pool, report = driver_of(config), FormulaPool(), Notes()
    driver.search(pool, report)
    assert pool.submitted == [cheapest]
    assert any("one plan alone is within the budgets" in note for note in report.notes)
