"""One real profile and one real set of measured candidates of a tiny model, for all tests."""

import pytest

from greenfront.hardware_profiles import (
    HardwareProfile,
    Measured,
    Target,
    measure_candidates,
    measure_profile,
)
from greenfront.spaces import Plan, compress, find_space, save_checkpoint
from tests.hardware_profiles.tiny import LENGTH, SPACE, Tiny, tiny_bert
from tests.measuring import few_processes


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    model = tiny_bert()
    folder = tmp_path_factory.mktemp("models") / "original"
    save_checkpoint(model, folder)
    # Tests may run beside anything: what was disturbed twice stands.
    target = Target(
        "here", "cpu", "torch", threads=1, batch_size=2, sequence_length=LENGTH, seconds=0.1, accepts_disturbed=True
    )
    return Tiny(model, folder, find_space(model, SPACE, LENGTH), target)


@pytest.fixture(scope="session")
def profile(tiny: Tiny) -> HardwareProfile:
    """Really measured, as briefly as the minimum of repetitions allows, and calibrated in one further process."""
    with few_processes():
        return measure_profile(tiny.target, tiny.folder, tiny.space, seed=0)


@pytest.fixture(scope="session")
def cheapest(tiny: Tiny) -> Plan:
    return tiny.space.plan([0] * len(tiny.space.choices))


@pytest.fixture(scope="session")
def measured(tiny: Tiny, cheapest: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Measured]:
    """The original and the cheapest plan, really measured, in two processes."""
    folder = tmp_path_factory.mktemp("candidates") / cheapest.id
    save_checkpoint(compress(tiny.model, cheapest), folder)
    folders = {"original": tiny.folder, cheapest.id: folder}
    with few_processes():
        return measure_candidates(tiny.target, folders, seed=0, seconds=0.1)
