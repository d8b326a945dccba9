"""Ray workers: started, replaced when they die, stopped without leaving anything behind."""

import os
import re
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from greenfront.config import RayConfig
from greenfront.errors import RunError
from greenfront.search.ray_access import dashboard, keep_token_private, on_loopback, warn_without_token
from greenfront.search.training_state import Part, Weights
from greenfront.search.worker import Assignment, Job, Outcome, Worker

REACH_SECONDS = 10.0
"""Ray itself goes on trying an address where nobody answers for minutes."""
START_SECONDS = 300.0
"""Importing everything takes a worker 10 s; one that Ray has no room for would be waited for in vain."""


@dataclass(frozen=True)
class Finished:
    """One answer: the plan's tag, what came of it, and the weights, still in the object store (None if none)."""

    tag: int
    outcome: Outcome
    weights: Any


class Pool:
    """A fixed number of workers that each take one plan at a time."""

    def __init__(self, assignment: Assignment, workers: int) -> None:
        self._assignment = ray.put(assignment)
        self._threads = assignment.threads
        self._running: dict[Any, tuple[int, str, Any, Any]] = {}  # outcome ref -> tag, plan id, weights ref, actor
        self._idle = [self._start() for _ in range(workers)]
        try:
            ray.get([actor.ready.remote() for actor in self._idle], timeout=START_SECONDS)
        except GetTimeoutError as error:
            cpus = ray.cluster_resources().get("CPU", 0)
            raise RunError(
                f"ray.workers: {workers} workers of {self._threads} threads did not start in {START_SECONDS:.0f} s; "
                f"Ray has {cpus:g} CPUs in all"
            ) from error
        except RayError as error:
            raise RunError(f"the Ray workers could not start: {last_line(error)}") from error

    @property
    def free(self) -> int:
        """How many workers wait for a plan."""
        return len(self._idle)

    @property
    def busy(self) -> int:
        """How many plans are being evaluated."""
        return len(self._running)

    def submit(self, tag: int, plan_id: str, plan_json: str, part: Part | None = None) -> None:
        """Give a plan to a free worker, for all of its training or for a part."""
        actor = self._idle.pop()
        outcome, weights = actor.evaluate.options(num_returns=2).remote(plan_json, part)
        self._running[outcome] = (tag, plan_id, weights, actor)

    def give(self, tag: int, plan_id: str, job: Job) -> None:
        """Give another job on a plan to a free worker."""
        actor = self._idle.pop()
        outcome, weights = actor.perform.options(num_returns=2).remote(job)
        self._running[outcome] = (tag, plan_id, weights, actor)

    def wait(self, seconds: float) -> list[Finished]:
        """What has finished, after at most so many seconds. A dead worker is an outcome, and gets a successor."""
        done, _ = ray.wait(list(self._running), num_returns=1, timeout=seconds)
        finished = []
        for reference in done:
            tag, plan_id, weights, actor = self._running.pop(reference)
            try:
                outcome: Outcome = ray.get(reference)
                self._idle.append(actor)
            except RayError as error:
                outcome = Outcome(plan_id, None, None, 0.0, f"the worker died: {last_line(error)}")
                self._idle.append(self._start())
            finished.append(Finished(tag, outcome, weights))
        return finished

    @staticmethod
    def fetch(weights: Any) -> Weights | None:
        """Bring a candidate's weights here."""
        found: Weights | None = ray.get(weights)
        return found

    def _start(self) -> Any:
        threads = str(self._threads)
        environment = {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "TOKENIZERS_PARALLELISM": "false",
        }
        actor_class = ray.remote(num_cpus=self._threads, runtime_env={"env_vars": environment})(Worker)
        return actor_class.remote(self._assignment)


@contextmanager
def running_ray(config: RayConfig, workers: int) -> Iterator[None]:
    """Ray, local or of a cluster, for the time of a search, without a dashboard unless one is asked for.

    A local Ray listens on loopback alone, and asks for the user's token.

    Raises:
        ConfigError: a dashboard that can't be had.
        RunError: it can't be started or reached.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # says the future default, which Ray warns about
    arguments: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    local = config.address == "local"
    if local:
        arguments |= {"num_cpus": workers * config.threads_per_worker, **dashboard(config)}
    # Workers would otherwise import from the folder the driver was started in before anything installed.
    with tempfile.TemporaryDirectory(prefix="greenfront-ray-") as empty:
        try:
            _knock(config.address)
            with _own_signals(), on_loopback(local):
                ray.init(address=config.address, runtime_env={"working_dir": empty} if local else None, **arguments)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            rule = (
                "must be local, auto (a cluster's node, or RAY_ADDRESS) or HOST:PORT of a cluster that can be reached"
            )
            why = last_line(error)
            if isinstance(error, ConnectionError) and "cluster at" in why:
                why += ", which answers, but refuses: is Ray's version there the same, and its token (RAY_AUTH_TOKEN)?"
            raise RunError(f"ray.address: {rule}, but got {config.address!r}: {why}") from error
        if local:
            keep_token_private()
        try:
            yield
        finally:
            with _own_signals():
                ray.shutdown()


@contextmanager
def _own_signals() -> Iterator[None]:
    """What SIGTERM does stays as it was. Ray's own answer to it is to end at once, with nothing written, and when Ray
    shuts down the system's default is left, of which Python knows nothing."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def check_cluster(config: RayConfig) -> None:
    """Raise RunError unless the cluster can be reached; Ray on this machine is only started when it is needed."""
    if config.address != "local":
        with running_ray(config, 0):
            warn_without_token(config)


def _knock(address: str) -> None:
    """Raise OSError unless somebody answers at HOST:PORT; Ray finds out itself what else an address can be."""
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", "")
    found = re.fullmatch(r"\[?([^/\[\]]+)\]?:(\d+)", address)
    if found is not None:
        socket.create_connection((found[1], int(found[2])), REACH_SECONDS).close()


def last_line(error: BaseException) -> str:
    """What an error of Ray's comes down to: its traceback's last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
