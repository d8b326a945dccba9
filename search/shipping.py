"""What a cluster's nodes are given of Greenfront, and whether they have what it needs."""

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
from packaging.requirements import Requirement
from ray.exceptions import NodeDiedError, RayError, TaskUnschedulableError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from greenfront.config import RayConfig
from greenfront.errors import RunError
from greenfront.search.wheel import write_wheel

SAME = ("torch", "transformers", "numpy", "safetensors")
"""Whose objects travel between driver and workers, so that they must be of one version."""
EXTRAS = ("onnx", "energy")
"""What nodes that measure may need beside."""
WORKING_DIR = "${RAY_RUNTIME_ENV_CREATE_WORKING_DIR}"
"""Where Ray has unpacked the working folder on a node."""
CHECK_SECONDS = 120.0
ENVIRONMENT_SECONDS = 1800.0
"""A node without PyTorch downloads it."""


def runtime_env(config: RayConfig, scratch: Path) -> dict[str, Any]:
    """Ray's `runtime_env`; what it refers to is made in `scratch`.

    Workers have an empty folder: else they would import from the one that the driver was started in before anything
    installed.
    """
    work = scratch / "work"
    work.mkdir()
    if config.local or config.ship == "nothing":
        return {"working_dir": str(work)}
    if config.ship == "package":
        return {"working_dir": str(work), "py_modules": [str(write_wheel(scratch))]}
    wheel = write_wheel(work)
    packages = [f"{WORKING_DIR}/{wheel.name}", *sorted(pinned())]
    return {
        "working_dir": str(work),
        "pip": {"packages": packages, "pip_check": False, "pip_install_options": ["--disable-pip-version-check"]},
        "config": {"setup_timeout_seconds": int(ENVIRONMENT_SECONDS)},
    }


def pinned() -> set[str]:
    """Every package that Greenfront needs, as `name==version` of this machine; Ray is the cluster's own."""
    found: dict[str, str] = {}
    waiting = [*_requirements("greenfront", ("", *EXTRAS))]
    while waiting:
        name = waiting.pop()
        if name in found or name == "ray":
            continue
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of an extra that isn't installed here
        found[name] = f"{name}=={version.partition('+')[0]}"  # 2.9+cpu is only on PyTorch's own index
        waiting += _requirements(name, ("",))
    return set(found.values())


def versions_here() -> dict[str, str]:
    """Of what has to be the same everywhere; runs on every node."""
    found = {}
    for name in SAME:
        try:
            found[name] = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def check_nodes(config: RayConfig) -> None:
    """Raise RunError where a node can't import Greenfront, or has other versions of what it shares with workers."""
    here = versions_here()
    asked = [
        (
            node["NodeManagerAddress"],
            ray.remote(num_cpus=0)(versions_here)
            .options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
            .remote(),
        )
        for node in ray.nodes()
        if node["Alive"]
    ]
    for node, reference in asked:
        seconds = ENVIRONMENT_SECONDS if config.ship == "environment" else CHECK_SECONDS
        try:
            there: dict[str, str] = ray.get(reference, timeout=seconds)
        except (TaskUnschedulableError, NodeDiedError):
            continue  # it has left in the meantime
        except RayError as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise RunError(f"ray: Greenfront can't be used on the cluster's node {node}: {lines[-1]}") from error
        differing = [f"{name} {there[name]} there, {here[name]} here" for name in SAME if there[name] != here[name]]
        if differing:
            raise RunError(
                f"ray: the cluster's node {node} must have the same versions as this machine, but has "
                f"{'; '.join(differing)}. Install them there, or say `ray: {{ship: environment}}`"
            )


def _requirements(name: str, extras: tuple[str, ...]) -> Iterator[str]:
    """The packages that an installed one requires here, with these extras ('' for none)."""
    for line in importlib.metadata.requires(name) or []:
        requirement = Requirement(line)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            yield re.sub(r"[-_.]+", "-", requirement.name).lower()
