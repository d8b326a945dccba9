"""Plans as parameters of a study: what every encoding has to do, and what each does of its own."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution, IntDistribution

from greenfront.errors import PlanError, RunError
from greenfront.search.allocation import Axis, Limit, cheapest, total
from greenfront.search.encodings import AllocationEncoding, DirectEncoding, Encoding
from greenfront.search.groups import Groups
from greenfront.search.journal import Result
from greenfront.search.samplers import make_sampler
from greenfront.search.study import Study
from greenfront.spaces import Plan, Space
from tests.search.layered import layered_changes, layered_losses, layered_original, layered_space

SPACE = layered_space(3)
LATENCY, SIZE = layered_changes(SPACE, "latency"), layered_changes(SPACE, "size")
LOSSES = layered_losses(SPACE, 0)
OBJECTIVES = ["divergence", "predicted latency_ms"]


def axis(kind: str = "latency", most: float = 1.0) -> Axis:
    original = layered_original(SPACE, kind)
    return Axis(kind, layered_changes(SPACE, kind), original, most * original)


def size_limit(saved: float = 0.4) -> Limit:
    return Limit(SIZE, saved * cheapest(SPACE, SIZE))


def allocation(limits: tuple[Limit, ...] = (size_limit(),), axes: tuple[Axis, ...] = (axis(),)) -> AllocationEncoding:
    return AllocationEncoding(SPACE, LOSSES, limits, axes)


ONE, TWO = allocation(), allocation(axes=(axis(), axis("size")))
ENCODINGS: Mapping[str, Encoding] = {"direct": DirectEncoding(SPACE), "one axis": ONE, "two axes": TWO}
every_encoding = pytest.mark.parametrize("name", list(ENCODINGS))


def drawn(encoding: Encoding, rng: random.Random) -> dict[str, Any]:
    """Parameters within their distributions, every fifth one at an end."""
    found: dict[str, Any] = {}
    for name, distribution in encoding.distributions.items():
        assert isinstance(distribution, IntDistribution | FloatDistribution)
        low, high = distribution.low, distribution.high
        value = rng.uniform(low, high) if rng.random() < 0.8 else rng.choice([low, high])
        found[name] = round(value) if isinstance(distribution, IntDistribution) else value
    return found


@every_encoding
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 9999))
def test_parameters_mean_one_plan_of_the_space(name: str, seed: int) -> None:
    encoding = ENCODINGS[name]
    parameters = drawn(encoding, random.Random(seed))
    plan = encoding.plan(parameters)
    SPACE.indices(plan)
    assert encoding.plan(dict(parameters)) == plan
    written = encoding.parameters(plan)
    assert list(written) == list(encoding.distributions)
    for key, distribution in encoding.distributions.items():
        assert distribution._contains(distribution.to_internal_repr(written[key]))
    if name == "direct":
        assert encoding.plan(written) == plan


@every_encoding
def test_a_plan_of_another_space_has_no_parameters(name: str) -> None:
    with pytest.raises(PlanError, match="not in this space"):
        ENCODINGS[name].parameters(Plan({"elsewhere": {"rank": 1}}))


@every_encoding
@pytest.mark.parametrize("sampler", ["tpe", "random", "nsgaii"])
def test_any_sampler_of_optuna_works_on_it(name: str, sampler: str, tmp_path: Path) -> None:
    study = Study(SPACE, OBJECTIVES, make_sampler(sampler, {}, 0), tmp_path / "study.journal", ENCODINGS[name])
    for number in range(4):
        proposal = study.ask()
        SPACE.indices(proposal.plan)
        result = Result(proposal.number, proposal.plan, proposal.origin, "scored", 0.9, 0.1)
        study.keep(study.tell(result, [0.1 * number, total(SPACE, LATENCY, proposal.plan)], {}))
    assert [r.plan for r in study.results] == [
        Plan.from_json(t.user_attrs["plan"]) for t in trials_of(tmp_path / "study.journal")
    ]


def trials_of(journal: Path) -> list[optuna.trial.FrozenTrial]:
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journal)))
    return optuna.load_study(storage=storage, study_name="greenfront").trials


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 9999), two=st.booleans())
def test_an_allocation_is_within_every_limit_by_construction(seed: int, two: bool) -> None:
    encoding = TWO if two else ONE
    parameters = drawn(encoding, random.Random(seed))
    plan = encoding.plan(parameters)
    limit = size_limit()
    assert total(SPACE, limit.change, plan) <= limit.most + 1e-9 * abs(limit.most)
    mild, strong = encoding.range
    position = parameters["position on latency"]
    level = mild[0] * (strong[0] / mild[0]) ** position
    if not two:  # of several costs not all levels can be had together
        assert layered_original(SPACE) + total(SPACE, LATENCY, plan) <= level * (1 + 1e-9)


def test_an_allocation_says_what_a_plan_loses_by_group_and_costs() -> None:
    rng = random.Random(3)
    groups = Groups.of(SPACE)
    for _ in range(20):
        plan = SPACE.random(rng)
        found = TWO.allocation(plan)
        assert found.plan == plan
        for kind, cost in zip(("latency", "size"), found.costs, strict=True):
            change = total(SPACE, layered_changes(SPACE, kind), plan)
            assert cost == pytest.approx(layered_original(SPACE, kind) + change)
        wanted = np.zeros(len(groups))
        for choice, index in zip(SPACE.choices, SPACE.indices(plan), strict=True):
            wanted[groups.of_choice[choice.name]] += LOSSES[choice.name][index]
        assert found.parts == pytest.approx(wanted)


def test_the_range_ends_a_little_above_what_a_plan_within_the_limits_can_have() -> None:
    mild, strong = ONE.range
    assert mild[0] == pytest.approx(0.9 * layered_original(SPACE))
    least = layered_original(SPACE) + cheapest(SPACE, LATENCY)
    assert least <= strong[0] <= 1.5 * least + 0.05 * layered_original(SPACE)
    ends = [ONE.decode(np.array([p]), np.zeros(len(ONE.groups))).costs[0] for p in (0.0, 0.5, 1.0)]
    assert ends == sorted(ends, reverse=True)
    assert ONE.position(strong)[0] == pytest.approx(1.0)
    assert ONE.position(mild)[0] == pytest.approx(0.0)


def test_a_group_that_is_said_to_lose_much_is_spared() -> None:
    groups = Groups.of(SPACE)
    number = next(i for i, g in enumerate(groups.groups) if g.method == "low_rank" and g.kind == "layer.f")
    spared = [c for c in SPACE.choices if groups.of_choice[c.name] == number]
    taken = {}
    for factor in (-3.0, 3.0):
        log_multipliers = np.zeros(len(groups))
        log_multipliers[number] = factor
        plan = ONE.decode(np.array([0.7]), log_multipliers).plan
        taken[factor] = sum(len(c.settings) - SPACE.indices(plan)[SPACE.choices.index(c)] for c in spared)
    assert taken[3.0] < taken[-3.0]


def test_limits_that_no_plan_keeps_leave_the_cheapest_plan() -> None:
    impossible = Limit(LATENCY, 1.5 * cheapest(SPACE, LATENCY))
    encoding = allocation((impossible,))
    plan = encoding.plan(encoding.parameters(Plan()))
    assert total(SPACE, LATENCY, plan) == pytest.approx(cheapest(SPACE, LATENCY))


def test_where_one_plan_alone_is_within_the_limits_everything_means_it() -> None:
    encoding = allocation((Limit(LATENCY, cheapest(SPACE, LATENCY)),))
    plans = {encoding.plan(drawn(encoding, random.Random(seed))) for seed in range(5)}
    assert len(plans) == 1
    assert total(SPACE, LATENCY, plans.pop()) == pytest.approx(cheapest(SPACE, LATENCY))


@pytest.mark.parametrize("name", ["one axis", "two axes"])
def test_a_suggested_plan_is_proposed_as_it_is_and_kept(name: str, tmp_path: Path) -> None:
    journal, encoding = tmp_path / "study.journal", ENCODINGS[name]
    study = Study(SPACE, OBJECTIVES, make_sampler("tpe", {}, 0), journal, encoding)
    rng = random.Random(0)
    wanted = [SPACE.random(rng), encoding.plan(drawn(encoding, rng)), SPACE.random(rng)]
    for plan in wanted:
        study.suggest(plan, "uniform")
    proposals = [study.ask() for _ in range(4)]
    assert [p.plan for p in proposals[:3]] == wanted
    assert [p.origin for p in proposals] == ["uniform", "uniform", "uniform", "sampler"]
    for proposal in proposals:
        result = Result(proposal.number, proposal.plan, proposal.origin, "scored", 0.9, 0.1)
        study.keep(study.tell(result, [0.1, 1.0], {}))
    continued = Study(SPACE, OBJECTIVES, make_sampler("tpe", {}, 0), journal, encoding)
    assert continued.results == study.results
    for trial, plan in zip(trials_of(journal), wanted, strict=False):
        assert set(trial.params) == set(encoding.distributions)
        assert Plan.from_json(trial.user_attrs["plan"]) == plan


def test_a_journal_of_another_encoding_is_refused(tmp_path: Path) -> None:
    study = Study(SPACE, OBJECTIVES, make_sampler("random", {}, 0), tmp_path / "study.journal", ONE)
    proposal = study.ask()
    result = Result(proposal.number, proposal.plan, proposal.origin, "failed", reason="x")
    study.keep(study.tell(result, None, {}))
    with pytest.raises(RunError, match="of another space or encoding"):
        Study(SPACE, OBJECTIVES, make_sampler("random", {}, 0), tmp_path / "study.journal")


def test_every_choice_is_in_a_group_of_its_method_kind_and_depth() -> None:
    space = layered_space(6)
    groups = Groups.of(space)
    assert len(groups) == len(space.choices) / 2
    assert len({str(group) for group in groups.groups}) == len(groups)
    for choice in space.choices:
        group = groups.groups[groups.of_choice[choice.name]]
        number = int(choice.site.path.split(".")[1])
        assert group.method == choice.method
        assert group.kind == choice.site.path.replace(f".{number}", "", 1)
        assert group.depth == ("early", "middle", "late")[number // 2]
    correlation = groups.correlation
    assert np.diag(correlation) == pytest.approx(1.0)
    assert np.linalg.eigvalsh(correlation).min() > 0


def test_sites_outside_layers_are_groups_of_their_own() -> None:
    outside = Space(tuple(c for c in SPACE.choices if c.site.path.startswith("layer.0.f")))
    moved = Space.from_json(outside.to_json().replace("layer.0.f", "embeddings"))
    assert [str(group) for group in Groups.of(moved).groups] == ["low_rank embeddings", "bits embeddings"]
