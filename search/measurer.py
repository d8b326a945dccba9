"""What measures a target: this machine, or the node of a Ray cluster that carries the target's resource."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from greenfront.config import RayConfig, TargetConfig
from greenfront.hardware_profiles import (
    Fingerprint,
    HardwareProfile,
    Measured,
    Target,
    fingerprint,
    get_runtime,
    measure_candidates,
    measure_profile,
)
from greenfront.hardware_profiles.sampling import Progress
from greenfront.spaces import Space


class Measurer(Protocol):
    """Measures for targets that are one machine; `where` names it in a sentence."""

    where: str

    def fingerprint(self, target: Target) -> Fingerprint:
        """That machine, with the versions of the target's runtime there."""

    def profile(self, target: Target, model: Path, space: Space, *, seed: int, progress: Progress) -> HardwareProfile:
        """As `measure_profile`, there."""

    def candidates(
        self, target: Target, folders: Mapping[str, Path], *, seed: int, progress: Progress
    ) -> dict[str, Measured]:
        """As `measure_candidates`, there."""


class ThisMachine:
    """Measures where it is called."""

    where = "this machine"

    def fingerprint(self, target: Target) -> Fingerprint:
        """This machine, with the versions of the target's runtime."""
        return fingerprint(get_runtime(target.runtime).versions())

    def profile(self, target: Target, model: Path, space: Space, *, seed: int, progress: Progress) -> HardwareProfile:
        """A profile, measured in processes of its own."""
        return measure_profile(target, model, space, seed=seed, progress=progress)

    def candidates(
        self, target: Target, folders: Mapping[str, Path], *, seed: int, progress: Progress
    ) -> dict[str, Measured]:
        """Whole models, measured in processes of their own."""
        return measure_candidates(target, folders, seed=seed, progress=progress)


@contextmanager
def measurer_of(target: TargetConfig, ray: RayConfig) -> Iterator[Measurer]:
    """What measures a target, for as long as the context holds it.

    Raises:
        RunError: no node of the cluster carries the target's resource, or there is no cluster.
    """
    if target.resource is None:
        yield ThisMachine()
        return
    from greenfront.search.remote_measure import node_with  # Ray is heavy, and only a target on a cluster needs it

    with node_with(target.resource, ray) as node:
        yield node
