"""Measuring on the node of a Ray cluster that carries a target's custom resource, one measurement at a time there."""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from pydantic import TypeAdapter
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from greenfront.config import RayConfig
from greenfront.errors import GreenfrontError, MeasureError, RunError
from greenfront.hardware_profiles import Fingerprint, HardwareProfile, Measured, Target
from greenfront.hardware_profiles.sampling import Progress
from greenfront.search.measurer import ThisMachine
from greenfront.search.placement import nodes_there
from greenfront.search.ray_session import running_ray
from greenfront.search.reasons import last_line
from greenfront.spaces import Space

POLL_SECONDS = 1.0
START_SECONDS = 30.0
"""Importing everything takes an actor 10 s; one that isn't there later waits for another to let go."""
_log = logging.getLogger(__name__)
_MEASURED = TypeAdapter(dict[str, Measured])
_Files = Mapping[str, bytes]
"""A folder's files by their names."""


class NodeActor:
    """Lives on the node, and holds its resource while it does. Profiles and costs leave it as JSON."""

    def __init__(self) -> None:
        self._machine = ThisMachine()
        self._progress = (0, 0)

    def progress(self) -> tuple[int, int]:
        """How much of the measurement under way is done; answered meanwhile."""
        return self._progress

    def fingerprint(self, target: Target) -> Fingerprint:
        """Of the node."""
        return self._machine.fingerprint(target)

    def profile(self, target: Target, model: _Files, space: str, seed: int) -> str:
        """`measure_profile` on the node."""
        with tempfile.TemporaryDirectory(prefix="greenfront-node-") as scratch:
            folder = _unpacked(model, Path(scratch) / "original")
            profile = self._machine.profile(target, folder, Space.from_json(space), seed=seed, progress=self._advance)
            profile.save(Path(scratch) / "profile.json")
            return (Path(scratch) / "profile.json").read_text()

    def candidates(self, target: Target, seed: int, names: list[str], *models: _Files) -> str:
        """`measure_candidates` on the node."""
        with tempfile.TemporaryDirectory(prefix="greenfront-node-") as scratch:
            folders = {name: _unpacked(files, Path(scratch) / name) for name, files in zip(names, models, strict=True)}
            found = self._machine.candidates(target, folders, seed=seed, progress=self._advance)
            return _MEASURED.dump_json(found).decode()

    def _advance(self, done: int, total: int) -> None:
        self._progress = (done, total)


class Node:
    """A Measurer: what its actor measures on the node."""

    def __init__(self, actor: Any, resource: str) -> None:
        self._actor = actor
        self.where = f"the node with {resource}"

    def fingerprint(self, target: Target) -> Fingerprint:
        """The node's, with the versions of the target's runtime there."""
        found: Fingerprint = self._answer(self._actor.fingerprint.remote(target))
        return found

    def profile(self, target: Target, model: Path, space: Space, *, seed: int, progress: Progress) -> HardwareProfile:
        """As `measure_profile`, on the node."""
        text = self._answer(self._actor.profile.remote(target, _packed(model), space.to_json(), seed), progress)
        with tempfile.TemporaryDirectory(prefix="greenfront-node-") as scratch:
            path = Path(scratch) / f"{target.name}.json"
            path.write_text(text)
            return HardwareProfile.load(path)

    def candidates(
        self, target: Target, folders: Mapping[str, Path], *, seed: int, progress: Progress
    ) -> dict[str, Measured]:
        """As `measure_candidates`, on the node."""
        models = [ray.put(_packed(folder)) for folder in folders.values()]
        text = self._answer(self._actor.candidates.remote(target, seed, list(folders), *models), progress)
        return _MEASURED.validate_json(text)

    def _answer(self, reference: Any, progress: Progress | None = None) -> Any:
        """Wait for an answer, saying how far it is.

        Raises:
            GreenfrontError: what was raised on the node, as it was raised there.
            MeasureError: the node or the actor on it died.
        """
        try:
            while True:
                try:
                    return ray.get(reference, timeout=POLL_SECONDS)
                except GetTimeoutError:
                    if progress is not None:
                        progress(*ray.get(self._actor.progress.remote()))
        except RayTaskError as error:
            if isinstance(error.cause, GreenfrontError):
                raise error.cause from None
            raise MeasureError(f"measuring on {self.where} failed: {last_line(error)}") from error
        except RayError as error:
            raise MeasureError(f"measuring on {self.where} failed: {last_line(error)}") from error


@contextmanager
def node_with(resource: str, config: RayConfig) -> Iterator[Node]:
    """The node that carries a resource, held for the time of the context with all of its processors: whatever else is
    to run there through Ray waits, and is waited for.

    The target's runtime must be installed there.

    Raises:
        RunError: the cluster can't be reached, or none of its nodes carries the resource.
    """
    with running_ray(config, 0):
        resources = ray.cluster_resources()
        if resources.get(resource, 0) < 1:
            own = sorted(name for name in resources if not name.startswith(("node:", "memory", "object_store")))
            raise RunError(
                f"hardware: resource must be carried by a node of the cluster at {config.address!r}, "
                f"but none has {resource!r}; there are {', '.join(own)}"
            )
        carriers = [node for node in nodes_there() if node.get(resource, 0) >= 1]
        processors = max((node.get("CPU", 0.0) for node in carriers), default=0.0)
        # Two threads of execution: one measures, the other says how far it is.
        actor_class = ray.remote(num_cpus=processors, resources={resource: 1.0})(NodeActor)
        actor: Any = actor_class.options(max_concurrency=2).remote()
        try:
            _begin(actor, resource)
            yield Node(actor, resource)
        finally:
            ray.kill(actor)


def _begin(actor: Any, resource: str) -> None:
    """Wait until the actor runs, and say so where that takes long."""
    started = actor.progress.remote()
    ready, _ = ray.wait([started], timeout=START_SECONDS)
    if not ready:
        _log.warning("waiting: something else holds the node with %s, or some of its processors", resource)
        ray.wait([started])


def _packed(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _unpacked(files: _Files, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
