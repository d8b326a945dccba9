"""Approximations of attention are offered where a target measured them faster than exact attention, and only there."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from greenfront.config import SpaceConfig
from greenfront.hardware_profiles import HardwareProfile
from greenfront.hardware_profiles.records import OperationCost, Refused, SiteUse, Timing
from greenfront.search.approximations import left_out
from greenfront.search.profiles import useful
from greenfront.search.report_hardware import hardware_section
from greenfront.spaces import METHODS, Settings, Space, find_space
from greenfront.spaces.compression import method_name
from tests.search.front_builder import build_front
from tests.search.toy_run import LENGTH, toy_config, toy_model, toy_profile

APPROXIMATIONS = tuple(name for name, method in METHODS.items() if method.group == "attention")
OPTIONS = {"linformer": {"lengths": [4, 8]}, "window": [2, 4], "clustered": [2, 4], "lsh": [4], "performer": [8],
           "sign_matching": [2, 4]}  # fmt: skip
EXACT_MS, SLOW_MS = 1.0, 2.0


def space_of(*methods: str) -> Space:
    config = SpaceConfig.model_validate({"methods": ("low_rank", *methods), "low_rank": {"ranks": [2, 4]}, **OPTIONS})
    return find_space(toy_model(), config, LENGTH)


def profile_of(
    space: Space, faster_ms: Mapping[str, float], *, name: str = "toy", noise_ms: float = 0.0
) -> HardwareProfile:
    """Exact attention takes 1 ms, approximations 2; `faster_ms`: what settings of a method take instead."""

    def timing(ms: float) -> Timing:
        return Timing.of([ms - noise_ms, ms, ms + noise_ms], seed=0)

    plain = toy_profile(name, space)
    attentions = {choice.site.path: choice for choice in space.choices if choice.site.kind == "attention"}
    operations = [each for each in plain.operations if each.group not in attentions]
    sites = dict(plain.sites)
    for path, choice in attentions.items():
        by_method: dict[str, list[dict[str, int | float | str]]] = {}
        for settings in choice.settings:
            by_method.setdefault(method_name(choice, settings), []).append(dict(settings))
        ms = {method: faster_ms.get(method, SLOW_MS) for method in by_method}
        entries = [(settings, ms[method]) for method, several in by_method.items() for settings in several]
        operations += [OperationCost(path, s, timing(t), 1, 1, 0, 0, 0) for s, t in [*entries, ({}, EXACT_MS)]]
        sites[path] = SiteUse(choice.site.signature, choice.site.shape, path, 1, (), by_method)
    calibration = replace(plain.calibration, per_call_ms=dict.fromkeys(METHODS, 0.0))
    return replace(plain, operations=tuple(operations), sites=sites, calibration=calibration)


def offered(space: Space) -> dict[str, list[Settings]]:
    found: dict[str, list[Settings]] = {}
    for choice in space.choices:
        for settings in choice.settings:
            found.setdefault(method_name(choice, settings), []).append(settings)
    return found


@pytest.mark.parametrize("method", APPROXIMATIONS)
def test_each_is_left_out_where_it_measured_slower_and_stays_where_faster(method: str) -> None:
    space = space_of(*APPROXIMATIONS)
    kept = useful(space, {"toy": profile_of(space, {method: 0.9})}, toy_config("run"))
    assert offered(kept).keys() == {"low_rank", method}
    assert offered(kept)[method] == offered(space)[method]


def test_without_a_faster_one_attention_stays_exact() -> None:
    space = space_of(*APPROXIMATIONS)
    kept = useful(space, {"toy": profile_of(space, {})}, toy_config("run"))
    assert offered(kept).keys() == {"low_rank"}


@pytest.mark.parametrize(("noise_ms", "stays"), [(0.02, True), (0.2, False)])
def test_faster_means_by_more_than_the_noise_of_both(noise_ms: float, stays: bool) -> None:
    space = space_of("window")
    profile = profile_of(space, {"window": 0.9}, noise_ms=noise_ms)
    assert ("window" in offered(useful(space, {"toy": profile}, toy_config("run")))) == stays


def test_fewer_operations_are_no_reason_to_offer_a_slower_one() -> None:
    space = space_of("window")
    profile = profile_of(space, {})
    fewer = [replace(each, flops=each.flops - 1) if "window" in each.settings else each for each in profile.operations]
    config = toy_config("run", objectives=["accuracy", "latency", "flops"])
    assert "window" not in offered(useful(space, {"toy": replace(profile, operations=tuple(fewer))}, config))


def test_one_target_that_runs_it_faster_is_enough() -> None:
    space = space_of("window", "lsh")
    profiles = {"toy": profile_of(space, {}), "other": profile_of(space, {"window": 0.5}, name="other")}
    assert offered(useful(space, profiles, toy_config("run"))).keys() == {"low_rank", "window"}


def test_what_left_is_said_with_what_was_measured() -> None:
    space = space_of("window", "lsh")
    (line,) = left_out(space, {"toy": profile_of(space, {"lsh": 0.5}, noise_ms=0.1)})
    path = next(choice.site.path for choice in space.choices if choice.site.kind == "attention")
    assert line.startswith("window: 4 of 4 settings are left out, measured no faster than exact attention, such as ")
    assert f"at {path}: +1 ms (known to 0." in line
    assert line.endswith("in torch on toy")
    assert left_out(space, {}) == left_out(space, {"toy": profile_of(space, {"lsh": 0.5, "window": 0.5})}) == []


def test_nothing_is_said_of_what_a_profile_holds_beyond_the_space() -> None:
    both = {"toy": profile_of(space_of("window", "lsh"), {})}
    (line,) = left_out(space_of("lsh"), both)
    assert line.startswith("lsh: ")
    assert left_out(space_of(), both) == []


def test_what_the_runtime_refused_is_not_said_twice() -> None:
    space = space_of("window")
    profile = profile_of(space, {})
    refused = tuple(
        Refused(choice.site.path, dict(settings), "no such operator")
        for choice in space.choices
        if choice.site.kind == "attention"
        for settings in choice.settings
    )
    assert left_out(space, {"toy": replace(profile, refused=refused)}) == []


def test_the_report_says_it_too() -> None:
    space = space_of("window")
    profiles = {"toy": profile_of(space, {})}
    markup = hardware_section(build_front(), profiles, {}, left_out(space, profiles)).markup
    assert "<h2>Approximations of attention left out</h2><ul><li>window: 4 of 4 settings" in markup
    markup = hardware_section(build_front(), profiles, {}).markup
    assert "left out" not in markup
