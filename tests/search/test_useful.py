"""Settings that measured no cheaper than the original are not offered."""

from dataclasses import replace

import pytest

from greenfront.errors import ConfigError
from greenfront.hardware_profiles import HardwareProfile
from greenfront.hardware_profiles.records import Refused
from greenfront.search.profiles import refusals, useful
from greenfront.spaces import Space
from tests.search.toy_run import amount, toy_config, toy_profile, toy_space


def slower_at(profile: HardwareProfile, path: str, ranks: set[int]) -> HardwareProfile:
    """The same profile, with some ranks of one site slower than its original."""
    slow = profile.operations[-1].latency.of([99.0] * 3, seed=0)
    operations = [
        replace(operation, latency=slow)
        if operation.group == path and amount(operation.settings) in ranks
        else operation
        for operation in profile.operations
    ]
    return replace(profile, operations=tuple(operations))


def offered(space: Space, path: str) -> list[int]:
    return [amount(s) for choice in space.choices if choice.site.path == path for s in choice.settings]


def test_settings_that_measured_no_cheaper_disappear() -> None:
    space, config = toy_space(), toy_config("run")
    first, second, third = (choice.site.path for choice in space.choices[:3])
    profile = slower_at(slower_at(toy_profile(), first, {4, 6}), second, {2, 4, 6})
    kept = useful(space, {"toy": profile}, config)
    assert offered(kept, first) == [2]
    assert offered(kept, second) == []
    assert offered(kept, third) == [2, 4, 6]
    assert len(kept.choices) == len(space.choices) - 1


@pytest.mark.parametrize("sections", [{"objectives": ["accuracy", "latency", "size"]}, {"budgets": {"size": "50%"}}])
def test_what_saves_in_another_cost_that_matters_stays(sections: dict[str, object]) -> None:
    space = toy_space()
    path = space.choices[0].site.path
    profile = slower_at(toy_profile(), path, {2, 4, 6})
    assert offered(useful(space, {"toy": profile}, toy_config("run", **sections)), path) == [2, 4, 6]


def test_what_saves_on_one_target_stays() -> None:
    space, config = toy_space(), toy_config("run")
    path = space.choices[0].site.path
    profiles = {"toy": slower_at(toy_profile(), path, {2, 4, 6}), "other": toy_profile("other")}
    assert offered(useful(space, profiles, config), path) == [2, 4, 6]


def test_what_the_runtime_refused_disappears() -> None:
    space, profile = toy_space(), toy_profile()
    path = space.choices[0].site.path
    refused = tuple(Refused(path, {"rank": rank}, "no such operator") for rank in (2, 4))
    profiles = {"other": toy_profile("other"), "toy": replace(profile, refused=refused)}
    kept = useful(space, profiles, toy_config("run"))
    assert offered(kept, path) == [6]
    assert len(kept.choices) == len(space.choices)
    said = f"2 settings are left out, such as {{'rank': 2}} at {path}: no such operator"
    assert refusals(profiles["toy"]) == [said]


def test_a_model_that_nothing_makes_faster_is_said_so() -> None:
    profile = toy_profile(ms_per_rank=-0.01)
    with pytest.raises(
        ConfigError, match=r"objectives: .*on toy no setting of its 12 sites lowers latency; add .* size"
    ):
        useful(toy_space(), {"toy": profile}, toy_config("run"))
