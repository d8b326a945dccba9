"""Measuring on the node that carries a resource: a real local cluster, with a machine that answers at once."""

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from greenfront.config import RayConfig, TargetConfig
from greenfront.errors import ConfigError, MeasureError, RunError
from greenfront.hardware_profiles import Fingerprint, HardwareProfile, Measured, Target, Timing, fingerprint
from greenfront.hardware_profiles.fingerprint import Conditions
from greenfront.hardware_profiles.sampling import Progress
from greenfront.search import remote_measure
from greenfront.search.measurer import Measurer, ThisMachine, measurer_of
from greenfront.search.remote_measure import NodeActor
from greenfront.spaces import Space
from tests.search.toy_run import toy_profile, toy_space

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Ray's own children, at shutdown
TARGET = toy_profile().target


class Instant:
    """Stands in for a machine: says what it was given."""

    where = "nowhere"

    def fingerprint(self, target: Target) -> Fingerprint:
        return replace(fingerprint(), processor=f"of {target.name}")

    def profile(self, target: Target, model: Path, space: Space, *, seed: int, progress: Progress) -> HardwareProfile:
        for done in range(4):
            progress(done, 4)
            time.sleep(0.3)
        assert space.to_json() == toy_space().to_json()
        found = toy_profile(target.name)
        return replace(found, model=f"{seed} {(model / 'weights').read_bytes()!r}")

    def candidates(
        self, target: Target, folders: Mapping[str, Path], *, seed: int, progress: Progress
    ) -> dict[str, Measured]:
        if target.threads > 1:
            raise ConfigError("threads must be at most 1")
        if target.batch_size > 1:
            raise OSError("no space left")
        return {name: measured(int((folder / "weights").read_bytes())) for name, folder in folders.items()}


class InstantNode(NodeActor):
    """The actor of such a machine."""

    def __init__(self) -> None:
        super().__init__()
        self._machine = Instant()  # type: ignore[assignment]  # answers like one


def measured(number: int) -> Measured:
    cost = toy_profile().original
    timing = Timing.of([float(number)] * 3, seed=0)
    conditions = Conditions("2026-01-01T00:00:00", 1.0, 0.0, 0.0, 0.0, (0,))
    return Measured(cost, timing.interval_ms, timing, timing, (3,), (conditions,), (f"warning {number}",))


@pytest.fixture(scope="module")
def config() -> Iterator[RayConfig]:
    with pytest.MonkeyPatch.context() as patch:
        # What a node has is the installed package alone; the machine that answers at once is of the tests.
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "resources": {"pi": 1}})
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # what a node has is the installed package alone
    yield RayConfig(address=cluster.address)
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    cluster.shutdown()


@pytest.fixture(scope="module")
def node(config: RayConfig) -> Iterator[Measurer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote_measure, "NodeActor", InstantNode)
        with measurer_of(TargetConfig(resource="pi"), config) as found:
            yield found


def folder(tmp_path: Path, number: int) -> Path:
    made = tmp_path / f"model {number}"
    made.mkdir()
    (made / "weights").write_text(str(number))
    return made


def test_a_resource_that_no_node_has_is_refused(config: RayConfig) -> None:
    """First of all, while no Ray is running."""
    with (
        pytest.raises(
            RunError, match=r"^hardware: resource must be carried by a node .* none has 'gpu'; there are CPU, pi$"
        ),
        measurer_of(TargetConfig(resource="gpu"), config),
    ):
        pytest.fail("there is none")


def test_without_a_resource_this_machine_measures() -> None:
    with measurer_of(TargetConfig(), RayConfig()) as found:
        assert isinstance(found, ThisMachine)
        assert found.fingerprint(TARGET) == fingerprint()


def test_the_node_is_told_everything_and_answers_the_same(node: Measurer, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    assert node.where == "the node with pi"
    assert node.fingerprint(TARGET).processor == "of toy"
    profile = node.profile(
        TARGET, folder(tmp_path, 1), toy_space(), seed=5, progress=lambda done, total: seen.append((done, total))
    )
    assert profile == replace(toy_profile(), model="5 b'1'")
    assert seen
    assert set(seen) <= {(done, 4) for done in range(4)}
    folders = {"original": folder(tmp_path, 2), "x": folder(tmp_path, 3)}
    found = node.candidates(TARGET, folders, seed=0, progress=lambda *_: None)
    assert found == {"original": measured(2), "x": measured(3)}


def test_what_is_raised_there_is_raised_here(node: Measurer, tmp_path: Path) -> None:
    folders = {"original": folder(tmp_path, 2)}
    with pytest.raises(ConfigError, match=r"^threads must be at most 1$"):
        node.candidates(replace(TARGET, threads=2), folders, seed=0, progress=lambda *_: None)
    with pytest.raises(MeasureError, match=r"^measuring on the node with pi failed: .*no space left"):
        node.candidates(replace(TARGET, batch_size=2), folders, seed=0, progress=lambda *_: None)


def test_the_resource_is_held_meanwhile(node: Measurer) -> None:
    node.fingerprint(TARGET)  # the actor runs by now
    until = time.monotonic() + 10
    while ray.available_resources().get("pi", 0) and time.monotonic() < until:
        time.sleep(0.1)
    assert ray.available_resources().get("pi", 0) == 0
