import dataclasses
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenfront.config import CostName, LinformerConfig
from greenfront.errors import ConfigError, PlanError
from greenfront.hardware_profiles import HardwareProfile, fingerprint
from greenfront.hardware_profiles.flops import count_flops
from greenfront.hardware_profiles.operation_table import OperationTable
from greenfront.hardware_profiles.record_file import VERSION
from greenfront.hardware_profiles.records import Interpolated, OperationCost, Refused, SiteUse, Timing
from greenfront.hardware_profiles.workload import workload
from greenfront.spaces import Plan, Space, compress, find_space, save_checkpoint, weight_bytes
from tests.hardware_profiles.tiny import LENGTH, SPACE, Tiny

SCALED: tuple[CostName, ...] = ("latency_ms", "latency_p90_ms", "energy_j", "co2_g_per_million", "money_per_million")
COSTS: tuple[CostName, ...] = (
    *SCALED, "large_batch_latency_ms", "size_mb", "peak_memory_mb", "parameters", "flops"
)  # fmt: skip
a_few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_the_empty_plan_is_the_original_as_measured(profile: HardwareProfile) -> None:
    assert profile.predict(Plan()) == profile.original


@a_few
@given(seed=st.integers(0, 10**6))
def test_a_prediction_is_the_original_plus_the_costs_of_the_options(
    tiny: Tiny, profile: HardwareProfile, seed: int
) -> None:
    plan = tiny.space.random(random.Random(seed))
    predicted = profile.predict(plan)
    chosen = list(zip(tiny.space.choices, tiny.space.indices(plan), strict=True))
    for cost in COSTS:
        change = sum(profile.option_costs(choice, cost)[index] for choice, index in chosen)
        expected = profile.original.value(cost) + change
        if cost in (*SCALED, "large_batch_latency_ms"):  # never below a hundredth of the original's
            expected = max(expected, 0.01 * profile.original.value(cost))
        assert predicted.value(cost) == pytest.approx(expected)
    queries = 1000 * tiny.target.large_batch / predicted.large_batch_latency_ms
    assert predicted.throughput_per_s == pytest.approx(queries)


def test_rates_do_not_sum(tiny: Tiny, profile: HardwareProfile) -> None:
    with pytest.raises(ConfigError, match="asked for as large_batch_latency_ms"):
        profile.option_costs(tiny.space.choices[0], "throughput_per_s")


@a_few
@given(seed=st.integers(0, 10**6))
def test_the_interval_holds_the_prediction_and_its_published_error(
    tiny: Tiny, profile: HardwareProfile, seed: int
) -> None:
    plan = tiny.space.random(random.Random(seed))
    if not plan:
        return
    interval = profile.predict(plan).latency_ms
    assert profile.error is not None
    assert interval.high >= interval.median * (1 + profile.error.p95)
    assert 0 <= interval.low <= interval.median


def test_the_last_option_changes_nothing(tiny: Tiny, profile: HardwareProfile) -> None:
    for choice in tiny.space.choices:
        for cost in COSTS:
            changes = profile.option_costs(choice, cost)
            assert len(changes) == len(choice.options)
            assert changes[-1] == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_size_parameters_and_flops_are_those_of_the_compressed_model(
    tiny: Tiny, profile: HardwareProfile, tmp_path: Path, seed: int
) -> None:
    plan = tiny.space.random(random.Random(seed))
    model = compress(tiny.model, plan)
    save_checkpoint(model, tmp_path / "candidate")
    predicted = profile.predict(plan)
    assert predicted.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert predicted.flops == count_flops(model, (), workload(model, tiny.target))
    tensors_and_header = weight_bytes(tmp_path / "candidate") / 1e6
    assert predicted.size_mb == pytest.approx(tensors_and_header, abs=0.01)
    assert predicted.size_mb - profile.original.size_mb == pytest.approx(
        4 * (predicted.parameters - profile.original.parameters) / 1e6
    )


def test_a_profile_survives_its_file_with_its_samples(profile: HardwareProfile, tmp_path: Path) -> None:
    path = tmp_path / "profiles" / "here.json"
    profile.save(path)
    assert HardwareProfile.load(path) == profile
    raw = json.loads(path.read_text())
    assert raw["version"] == VERSION
    operation = raw["operations"][0]["latency"]
    assert len(operation["samples_ms"]) == operation["n"] >= 11
    assert [file.name for file in path.parent.iterdir()] == ["here.json"]


def _edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.pop("version"), r"it has no `version`"),
        (lambda raw: raw.update(version=7), rf"must have version {VERSION}, but got 7"),
        (lambda raw: raw.pop("sites"), r"sites: is missing"),
        (lambda raw: raw.update(extra=1), r"extra: unknown key, but got 1"),
        (lambda raw: raw["original"].update(flops="many"), r"original\.flops: .*got 'many'"),
        (lambda raw: raw["original"]["latency_ms"].update(low=1e9), r"low <= median <= high"),
        (lambda raw: raw["target"].update(threads=0), r"threads must be 1 or more"),
    ],
)
def test_a_damaged_file_is_refused_by_field(
    profile: HardwareProfile, tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    path = tmp_path / "here.json"
    profile.save(path)
    _edit(path, change)
    with pytest.raises(ConfigError, match=f"here.json.*{message}"):
        HardwareProfile.load(path)


@pytest.mark.parametrize(("text", "message"), [("{", "must be JSON"), ("[]", "not a hardware profile")])
def test_what_is_no_profile_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "here.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        HardwareProfile.load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't read a hardware profile: No such file"):
        HardwareProfile.load(tmp_path / "missing.json")


def test_this_machine_is_accepted_and_another_refused_by_field(profile: HardwareProfile) -> None:
    here = fingerprint()
    profile.check(here)
    profile.check(dataclasses.replace(here, system="after an upgrade of the system"))
    other = dataclasses.replace(here, cores=here.cores + 6, torch="1.0")
    with pytest.raises(ConfigError, match=rf"cores: {here.cores} against {here.cores + 6}; torch: .* 1\.0 here"):
        profile.check(other)


def test_another_workload_is_refused_by_field(tiny: Tiny, profile: HardwareProfile) -> None:
    profile.check_target(dataclasses.replace(tiny.target, name="renamed"))
    longer = dataclasses.replace(tiny.target, sequence_length=64)
    with pytest.raises(ConfigError, match=f"sequence_length: {LENGTH} against 64 here"):
        profile.check_target(longer)


def test_a_part_of_the_space_is_accepted(tiny: Tiny, profile: HardwareProfile) -> None:
    profile.check_space(tiny.space)
    profile.check_space(tiny.space.restrict(lambda _choice, option: option.get("rank") == 8))


def test_options_that_were_not_measured_are_refused(tiny: Tiny, profile: HardwareProfile) -> None:
    other = find_space(tiny.model, SPACE.model_copy(update={"linformer": LinformerConfig(lengths=(4,))}), LENGTH)
    with pytest.raises(ConfigError, match=r'does not hold \{"linformer": 4.*attention\.self'):
        profile.check_space(other)


def test_another_model_is_refused_by_module(tiny: Tiny, profile: HardwareProfile) -> None:
    choice = tiny.space.choices[0]
    wider = dataclasses.replace(choice, site=dataclasses.replace(choice.site, signature="Embedding(weight[9, 9])"))
    said = re.escape(f"{choice.site.path} is Embedding(weight[9, 9]) here, but {choice.site.signature} there")
    with pytest.raises(ConfigError, match=f"another model: {said}"):
        profile.check_space(Space((wider,)))
    moved = dataclasses.replace(choice, site=dataclasses.replace(choice.site, path="elsewhere"))
    with pytest.raises(ConfigError, match="another model: it has no elsewhere"):
        profile.check_space(Space((moved,)))


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Plan({"elsewhere": {"rank": 8}}), "elsewhere: not among"),
        (
            Plan({"bert.encoder.layer.0.output.dense": {"rank": 9}}),
            r'must be of .*"rank": 8.* but got \{"rank": 9\}',
        ),
        (Plan({"bert.encoder.layer.0.output.dense": {"rank": 8, "bits": 4}}), "settings must be of"),
    ],
)
def test_a_plan_that_was_not_measured_is_refused(profile: HardwareProfile, plan: Plan, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        profile.predict(plan)


def test_what_the_runtime_refused_is_neither_predicted_nor_left_in_a_space(
    tiny: Tiny, profile: HardwareProfile
) -> None:
    site, setting = "bert.encoder.layer.0.output.dense", {"rank": 8}
    picky = dataclasses.replace(profile, refused=(Refused(site, dict(setting), "no such kernel"),))
    with pytest.raises(PlanError, match=r'layer\.0\.output\.dense: the runtime refuses \{"rank": 8\}: no such kernel'):
        picky.predict(Plan({site: setting}))
    picky.check_space(tiny.space)
    kept = picky.runnable(tiny.space)
    left = {choice.site.path: choice.settings for choice in kept.choices}
    assert left[site] == ({"rank": 16},)
    assert sum(map(len, left.values())) == sum(len(choice.settings) for choice in tiny.space.choices) - 1
    assert profile.runnable(tiny.space) == tiny.space


def test_a_setting_between_two_measured_ones_costs_what_lies_between() -> None:
    samples = {2: [1.0] * 3, 10: [5.0] * 3, None: [9.0, 9.0, 12.0]}
    operations = [
        OperationCost("g", {} if rank is None else {"rank": rank}, Timing.of(found, seed=0), 1, 1, 10, 40, 100)
        for rank, found in samples.items()
    ]
    between = Interpolated("g", {"rank": 4}, {"rank": 2}, {"rank": 10}, 0.25, 7, 28, 70)
    sites = {"path": SiteUse("signature", (9, 9), "g", 3, (), {"low_rank": [{"rank": 2}, {"rank": 4}, {"rank": 10}]})}
    (change,) = OperationTable(operations, [between], [], sites).changes({"path": {"rank": 4}})
    assert change.latency_ms == pytest.approx(3 * (1.0 + 0.25 * 4.0 - 9.0))
    assert (change.methods, change.calls) == (("low_rank",), 3)
    assert (change.parameters, change.bytes, change.flops) == (-3, -12, 3 * -30)
    assert change.noise_ms == pytest.approx(3 * 1.5)  # the two measured ranks are known exactly, the original is not
