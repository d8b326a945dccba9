"""The pool with real local Ray workers: the same plan scores the same anywhere, and a dead worker is replaced."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import ray
import torch

from greenfront.config import RayConfig
from greenfront.errors import RunError
from greenfront.evaluators import answer, score
from greenfront.search.paused import PausedStates
from greenfront.search.pool import Finished, Pool
from greenfront.search.ray_access import asks_for_token
from greenfront.search.ray_session import check_cluster, running_ray
from greenfront.search.successors import Successors
from greenfront.search.training_state import Part, load_arrays, to_arrays
from greenfront.search.worker import Worker, frozen_paths
from greenfront.spaces import Plan, compress, plan_of
from tests.search.test_training_state import RANKS
from tests.search.tiny_assignment import assignment
from tests.search.toy_run import toy_model, toy_space

# Ray's own: a child it left to the system at shutdown, and an import of a module it has deprecated itself.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
WAIT = 60.0


def plan(position: int) -> Plan:
    space = toy_space()
    return space.plan([position] * len(space.choices))


def handled_by_this_process(number: int) -> bool:
    """Whether the system calls a handler, whatever Python believes."""
    caught = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    before, handler = set(psutil.Process().children(recursive=True)), lambda *_: None
    own = signal.signal(signal.SIGTERM, handler)
    with running_ray(RayConfig(workers=2), 2):
        assert signal.getsignal(signal.SIGTERM) is handler
        yield Pool(assignment(), 2)
    assert signal.getsignal(signal.SIGTERM) is handler
    assert handled_by_this_process(signal.SIGTERM)
    signal.signal(signal.SIGTERM, own)
    left = [p for p in psutil.Process().children(recursive=True) if p not in before and p.is_running()]
    _, alive = psutil.wait_procs(left, timeout=10)
    assert alive == []
    assert not ray.is_initialized()


def answers(pool: Pool, count: int) -> list[Finished]:
    """The next answers; fails when they don't come."""
    found: list[Finished] = []
    until = time.monotonic() + WAIT
    while len(found) < count and time.monotonic() < until:
        found += pool.wait(1.0)
    assert len(found) == count
    return found


def wait_for(pool: Pool, free: int) -> None:
    """Until so many workers are free; fails when they don't come."""
    until = time.monotonic() + WAIT
    while pool.free < free and time.monotonic() < until:
        assert pool.wait(1.0) == []
    assert pool.free == free


def submit(pool: Pool, tag: int, one: Plan) -> None:
    pool.submit(tag, one.id, one.to_json())


def pids(pool: Pool) -> list[int]:
    """The processes of the free workers."""
    found: list[int] = ray.get([actor.ready.remote() for actor in pool._idle])
    return found


def test_an_address_that_leads_nowhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """First of all, while no Ray is running."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{free.getsockname()[1]}"  # bound, but nobody listens
        for address, variable in (("not an address", ""), (nobody, ""), ("auto", nobody)):
            monkeypatch.setenv("RAY_ADDRESS", variable)
            with pytest.raises(RunError, match=rf"ray\.address: must be local, auto .*, but got '{address}': "):
                check_cluster(RayConfig(address=address))
    check_cluster(RayConfig())
    assert not ray.is_initialized()


def test_a_plan_is_built_trained_and_scored(pool: Pool) -> None:
    assert (pool.free, pool.busy) == (2, 0)
    submit(pool, 7, plan(1))
    assert (pool.free, pool.busy) == (1, 1)
    (finished,) = answers(pool, 1)
    assert (pool.free, pool.busy) == (2, 0)
    outcome = finished.outcome
    assert (finished.tag, outcome.plan_id, outcome.reason) == (7, plan(1).id, "")
    assert outcome.seconds > 0
    # The weights that came along are those that the score is of.
    weights = Pool.fetch(finished.weights)
    assert weights is not None
    model = compress(toy_model(), plan(1))
    model.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    model.train(False)
    work = assignment()
    outputs = answer(model, work.validation, "accuracy", work.validation_logits)
    assert outcome.outputs is not None
    assert np.array_equal(outcome.outputs.statistics, outputs.statistics)
    expected = score(outputs)
    assert outcome.validation == expected.value
    assert outcome.divergence == pytest.approx(expected.divergence, abs=1e-5)


def test_the_same_plan_scores_the_same_on_either_worker_and_at_any_time(pool: Pool) -> None:
    assert len(set(pids(pool))) == 2
    for tag in (1, 2):
        submit(pool, tag, plan(2))  # one on each
    assert pool.free == 0
    both = answers(pool, 2)
    submit(pool, 3, plan(0))
    later = answers(pool, 1)
    submit(pool, 4, plan(2))
    first, second, third = (finished.outcome for finished in (*both, *answers(pool, 1)))
    assert later[0].outcome.divergence != first.divergence
    for other in (second, third):
        assert (other.validation, other.divergence) == (first.validation, first.divergence)
        assert other.outputs is not None
        assert first.outputs is not None
        assert np.array_equal(other.outputs.statistics, first.outputs.statistics)


def test_workers_are_other_processes_in_an_empty_folder(pool: Pool) -> None:
    for pid in pids(pool):
        assert pid != os.getpid()
        assert psutil.Process(pid).environ()["OMP_NUM_THREADS"] == "1"
        assert Path(psutil.Process(pid).cwd()) != Path.cwd()


def test_a_plan_that_does_not_fit_is_an_outcome_with_its_reason(pool: Pool) -> None:
    submit(pool, 1, Plan({"bert.nowhere": {"rank": 2}}))
    (finished,) = answers(pool, 1)
    assert finished.outcome.validation is None
    assert finished.outcome.reason.startswith("bert.nowhere: the model has no such module")
    assert Pool.fetch(finished.weights) is None
    assert pool.free == 2


def test_a_killed_worker_is_an_outcome_and_gets_a_successor(pool: Pool) -> None:
    before = pids(pool)
    os.kill(before[-1], signal.SIGSTOP)  # the next to be given a plan: surely at work when it is killed
    submit(pool, 5, plan(1))
    assert pool.wait(0.5) == []
    os.kill(before[-1], signal.SIGKILL)
    (finished,) = answers(pool, 1)
    assert finished.tag == 5
    assert finished.outcome.plan_id == plan(1).id
    assert finished.outcome.validation is None
    assert finished.outcome.failure == "died"
    assert finished.outcome.reason.startswith("the worker died: ")
    assert (pool.free, pool.busy) == (1, 0)  # its successor is given nothing before it is there
    wait_for(pool, free=2)
    submit(pool, 6, Plan({"bert.nowhere": {"rank": 2}}))  # fails at once, but on a living worker
    (after,) = answers(pool, 1)
    assert "no such module" in after.outcome.reason
    assert before[-1] not in pids(pool)


def test_a_plan_whose_training_diverges_stays_as_it_was_built(tmp_path: Path) -> None:
    work, whole = assignment(learning_rate=1e30, warmup=0.0, steps=4), plan(1).to_json()
    outcome, weights = Worker(work).evaluate(whole)
    assert outcome.note.startswith("training diverged: ")
    assert (outcome.reason, outcome.failure, outcome.untrained) == ("", "", True)
    without = work.fine_tune.model_copy(update={"steps": 0})
    built, expected = Worker(replace(work, fine_tune=without)).evaluate(whole)
    assert outcome.divergence == built.divergence
    assert outcome.steps
    assert weights is not None
    assert expected is not None
    assert all(np.array_equal(weights[name], expected[name]) for name in expected)
    # A ladder comes to the same.
    paused = PausedStates(tmp_path)
    middle, state = Worker(work).evaluate(whole, Part(0, 2))
    assert middle.note.startswith("training diverged: ")
    assert state is not None
    paused.save(plan(1).id, 2, state)
    last, ended = Worker(work).evaluate(whole, paused.part(plan(1).id, 4))
    assert (last.untrained, last.divergence, last.steps) == (True, built.divergence, 0)
    assert ended is not None
    assert all(np.array_equal(ended[name], expected[name]) for name in expected)


def test_outputs_that_are_not_finite_are_no_score() -> None:
    """Without steps nothing notices them before they are scored."""
    work = assignment(steps=0)
    broken = compress(toy_model(), Plan())
    with torch.no_grad():
        next(broken.parameters()).fill_(float("nan"))
    outcome, _ = Worker(replace(work, original=broken)).evaluate(plan(1).to_json())
    assert outcome.reason.startswith("diverged: ")
    assert outcome.validation is None


def test_the_embedding_table_trains_only_in_factors() -> None:
    table = "bert.embeddings.word_embeddings"
    assert frozen_paths(toy_model()) == (table,)
    assert frozen_paths(compress(toy_model(), Plan({table: {"rank": 4}}))) == ()
    rounded_later = compress(toy_model(), Plan({table: {"bits": 8}}), to_train=True)
    assert frozen_paths(rounded_later) == (table,)


def test_linears_are_trained_as_floats_and_scored_as_whole_numbers() -> None:
    query, output = (f"bert.encoder.layer.0.{path}" for path in ("attention.self.query", "output.dense"))
    work = assignment(steps=7, learning_rate=3e-3)
    both = Plan({**RANKS, query: {"rank": 2, "bits": 8}, output: {"bits": 16}})
    outcome, weights = Worker(work).evaluate(both.to_json())
    assert weights is not None, outcome.reason
    assert not outcome.untrained
    assert weights[f"{query}.up.values"].dtype == np.int8
    model = compress(toy_model(), both)
    load_arrays(model, weights)
    assert model.state_dict()[f"{output}.values"].dtype == torch.bfloat16
    assert outcome.outputs is not None
    again = answer(model, work.validation, work.metric)
    assert again.statistics == pytest.approx(outcome.outputs.statistics)
    untrained = compress(work.original, both, work.library).state_dict()
    assert not torch.equal(untrained[f"{query}.up.values"], model.state_dict()[f"{query}.up.values"])


def test_weights_come_over_bit_for_bit() -> None:
    model = compress(toy_model(), Plan({"bert.encoder.layer.0.output.dense": {"bits": 16}}))
    other = compress(toy_model(), plan_of(model))
    for tensor in other.state_dict().values():
        tensor.zero_()
    load_arrays(other, to_arrays(model))
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_nobody_on_another_machine_reaches_a_local_ray(pool: Pool) -> None:
    assert pool.free
    assert asks_for_token()
    token = Path.home() / ".ray" / "auth_token"
    assert not token.exists() or token.stat().st_mode & 0o077 == 0
    mine = [psutil.Process(), *psutil.Process().children(recursive=True)]
    listening = {
        connection.laddr.ip.removeprefix("::ffff:")
        for process in mine
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_what_is_sent_to_the_process_group_reaches_none_of_rays_processes(pool: Pool) -> None:
    assert pool.free == 2
    groups = {child.name(): os.getpgid(child.pid) for child in psutil.Process().children(recursive=True)}
    rays = {name: group for name, group in groups.items() if name.startswith(("raylet", "gcs_server", "ray::"))}
    assert {"raylet", "gcs_server", "ray::Worker"} <= {name.split(".")[0] for name in rays}
    assert os.getpgrp() not in rays.values()


def started(successors: Successors) -> list[Any]:
    """The actors that come of one start, whatever happens on the way; fails when none comes."""
    until = time.monotonic() + WAIT
    successors.add()
    while time.monotonic() < until:
        ready, _ = ray.wait(successors.references, num_returns=1, timeout=1.0)
        for reference in ready:
            if found := successors.welcome(reference):
                return found
    raise AssertionError("no actor came")


def test_a_worker_that_is_killed_while_it_starts_has_a_successor(pool: Pool, tmp_path: Path) -> None:
    assert pool.free

    class Killed:
        def __init__(self, mark: Path) -> None:
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)

        def ready(self) -> str:
            return "ready"

    (actor,) = started(Successors(lambda: ray.remote(num_cpus=0)(Killed).remote(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()
    assert ray.get(actor.ready.remote()) == "ready"
    ray.kill(actor)


def test_a_worker_that_can_never_be_made_is_no_reason_to_try_again(pool: Pool) -> None:
    assert pool.free

    class Broken:
        def __init__(self) -> None:
            raise ValueError("no such library")

        def ready(self) -> None:
            """Never reached."""

    with pytest.raises(RunError, match=r"^the Ray workers could not start: .*no such library"):
        started(Successors(lambda: ray.remote(num_cpus=0)(Broken).remote()))
