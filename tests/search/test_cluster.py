"""Clusters of several nodes: work is shared, one that leaves takes its trials alone, one that joins is given work."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import ray
from ray._private.internal_api import node_stats
from ray.cluster_utils import Cluster

from greenfront.config import RayConfig
from greenfront.errors import RunError
from greenfront.search import growth, ray_session, reaching, shipping
from greenfront.search.growth import Growth
from greenfront.search.placement import Needs
from greenfront.search.pool import Pool
from greenfront.search.ray_session import check_cluster, running_ray
from greenfront.search.worker import Outcome

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Ray's own children, at shutdown
WAIT = 60.0


JOB: Any = SimpleNamespace(steps=0)


class Light:
    """Stands in for a worker where only its place matters, as it starts in a moment: its answers say on which node it
    is, and whether it reads what all workers need from that node's store."""

    def __init__(self, work: Any) -> None:
        self._work = work

    def ready(self) -> int:
        """The process id."""
        return os.getpid()

    def perform(self, job: object) -> tuple[Any, None]:
        """Take a second."""
        time.sleep(1.0)
        shared = not self._work.data.flags.writeable  # what lies in this process can be written
        node = ray.get_runtime_context().get_node_id()
        return SimpleNamespace(plan_id=node, validation=float(shared), seconds=1.0, steps=0, failure=""), None


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head without processors, so that only other nodes work: one of two processors, and one of one."""
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # what nodes have is the installed package alone
    try:
        for processors in (2, 1):
            made.add_node(num_cpus=processors)
        yield made
    finally:
        ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
        ray.shutdown()  # where a test failed while it was connected
        for node in [*made.worker_nodes, made.head_node]:
            made.remove_node(node, allow_graceful=False)  # which Ray waits for, and says so if one stays
        made.shutdown()


@pytest.fixture(scope="module")
def config(cluster: Cluster) -> RayConfig:
    return RayConfig(address=cluster.address, ship="nothing")


def test_more_workers_than_the_cluster_can_place_are_refused_at_once(
    config: RayConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_cluster(config)
    monkeypatch.setattr(ray_session, "join_elsewhere", lambda address: None)  # which takes a process of its own
    with pytest.raises(RunError, match=r"its 3 nodes have room for 3 of 6 with 1 CPU each: 3 CPU missing$"):
        check_cluster(config.model_copy(update={"workers": 6}))


def test_something_else_at_the_address_is_said_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "ANSWER_SECONDS", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(RunError, match=rf"^ray\.address: a connection to '{address}' opens, but no Ray cluster"):
            check_cluster(RayConfig(address=address))


def answers(pool: Pool, count: int, jobs: int = 0) -> list[Outcome]:
    """The next answers, while so many jobs more are given away."""
    found: list[Outcome] = []
    until = time.monotonic() + WAIT
    while len(found) < count and time.monotonic() < until:
        while jobs and pool.free:
            jobs -= 1
            pool.give(jobs, "", JOB)
        found += [finished.outcome for finished in pool.wait(0.2)]
    assert len(found) == count
    return found


def wait_for(pool: Pool, workers: int) -> None:
    """Until so many are free."""
    until = time.monotonic() + WAIT
    while pool.free < workers and time.monotonic() < until:
        pool.wait(0.2)
    assert pool.free == workers


def nodes(outcomes: list[Outcome]) -> set[str]:
    return {outcome.plan_id for outcome in outcomes}


def test_workers_import_the_package_that_was_shipped(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    config = RayConfig(address=cluster.address)

    def place() -> str:
        import greenfront.search.plan_text as module

        return str(module.__file__)

    with running_ray(config, 0):
        # One node alone is asked: those of a test share a folder, in which one deletes what another has just unpacked.
        found = ray.get(ray.remote(num_cpus=1)(place).remote())
    assert "py_modules_files" in found
    assert not Path(found).is_relative_to(Path(__file__).parents[2])


def test_another_version_on_a_node_is_named(config: RayConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    here = shipping.versions_here()
    with running_ray(config, 0), monkeypatch.context() as patch:
        calls = iter([{**here, "torch": "1.0"}])
        real = shipping.versions_here
        patch.setattr(shipping, "versions_here", lambda: next(calls, None) or real())
        with pytest.raises(RunError, match=r"must have the same versions .* torch [0-9.]+ there, 1\.0 here\. Install"):
            shipping.check_nodes(config)


def test_nodes_that_leave_and_join(cluster: Cluster, config: RayConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "REVIEW_SECONDS", 0.2)
    monkeypatch.setattr("greenfront.search.pool.Worker", Light)
    work: Any = SimpleNamespace(threads=1, fine_tune=SimpleNamespace(steps=1), data=np.zeros(8_000_000, np.float32))
    with running_ray(config, 0):
        before = stored_mb()
        pool = Pool(work, 1, growth=Growth(Needs(1.0), None))
        wait_for(pool, 3)
        # What all workers need is once in the store of the driver's node, and of each other that has a worker.
        grown = [after - then for then, after in zip(before, stored_mb(), strict=True)]
        assert sum(0.9 * 32 < mb < 1.5 * 32 for mb in grown) == sum(mb > 1 for mb in grown) >= 2
        there = answers(pool, 6, jobs=6)
        assert len(nodes(there)) == 2
        assert all(outcome.validation == 1.0 for outcome in there)  # workers of a node read one copy
        # The smaller node leaves in the middle of its job, which alone is lost; its worker waits for room.
        small = min(cluster.worker_nodes, key=lambda node: len(there_on(node, there)))
        assert ray.get_runtime_context().get_node_id() != small.node_id
        for tag in range(3):
            pool.give(tag, "", JOB)
        cluster.remove_node(small, allow_graceful=False)
        ended = answers(pool, 3)
        # Which of the two goes first is chance: the worker's connection, or Ray's knowledge of the node.
        assert [outcome.failure in ("died", "node") for outcome in ended if outcome.failure] == [True]
        assert nodes(answers(pool, 2, jobs=2)) < nodes(there)
        assert pool.free == 2
        # Another joins, and is given work.
        cluster.add_node(num_cpus=1)
        wait_for(pool, 3)
        assert len(nodes(answers(pool, 6, jobs=6)) - nodes(there)) == 1


def there_on(node: Any, outcomes: list[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.plan_id == node.node_id]


def stored_mb() -> list[float]:
    """In every node's object store."""
    nodes = [node for node in ray.nodes() if node["Alive"]]
    stats = [node_stats(node["NodeManagerAddress"], node["NodeManagerPort"], False).store_stats for node in nodes]
    return sorted(each.object_store_bytes_used / 1e6 for each in stats)
