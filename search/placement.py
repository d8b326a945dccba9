"""How large a worker is for Ray, and for how many a cluster has room."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray

from greenfront.config import RayConfig
from greenfront.errors import RunError

Resources = Mapping[str, float]
"""Amounts by Ray's names: CPU, GPU, memory (bytes), and a cluster's own."""


@dataclass(frozen=True)
class Needs:
    """What one worker takes of its node."""

    cpu: float
    gpu: float = 0.0
    memory_bytes: int = 0
    custom: Resources = field(default_factory=dict)

    @classmethod
    def of(cls, config: RayConfig) -> "Needs":
        """What a configuration says; where it is silent, a processor for each thread."""
        asked = config.resources_per_worker
        memory = 0 if asked.memory is None else int(asked.memory.value * 1e6)
        return cls(asked.cpu or float(config.threads_per_worker), asked.gpu, memory, asked.custom)

    def amounts(self) -> dict[str, float]:
        """By Ray's names, only what is needed."""
        own = {"CPU": self.cpu, "GPU": self.gpu, "memory": float(self.memory_bytes)}
        return {name: amount for name, amount in {**own, **self.custom}.items() if amount}

    def options(self) -> dict[str, Any]:
        """For `ray.remote`."""
        memory = {"memory": self.memory_bytes} if self.memory_bytes else {}
        return {"num_cpus": self.cpu, "num_gpus": self.gpu, "resources": dict(self.custom), **memory}

    def __str__(self) -> str:
        return _words(self.amounts())


def room(needs: Needs, nodes: Sequence[Resources]) -> int:
    """How many workers fit on these nodes, if nothing else runs there."""
    return sum(_on_one(needs, node) for node in nodes)


def check_room(workers: int | None, needs: Needs, nodes: Sequence[Resources], later: Resources | None = None) -> None:
    """Refuse more workers than can ever be placed; None asks for as many as there is room for.

    `later`: the most that an autoscaler may come to, in all, where the cluster has one that says so.

    Raises:
        RunError: with what is missing.
    """
    wanted, found = workers or 1, room(needs, nodes)
    if found >= wanted:
        return
    most = {name: max(_total(name, nodes), (later or {}).get(name, 0.0)) for name in needs.amounts()}
    if later and all(most[name] >= wanted * amount for name, amount in needs.amounts().items()):
        return  # they may be placed yet
    missing = {name: wanted * amount - most[name] for name, amount in needs.amounts().items()}
    lack = {name: amount for name, amount in missing.items() if amount > 1e-6}
    what = f"{_words(lack)} missing" if lack else "no node has enough left for one more"
    on = "1 node has" if len(nodes) == 1 else f"{len(nodes)} nodes have"
    rule = "ray.workers: must be as many as the cluster can place" if workers else "ray: the cluster must have room"
    raise RunError(f"{rule}, but its {on} room for {found} of {wanted} with {needs} each: {what}")


def nodes_there() -> list[Resources]:
    """What each node of the cluster has in all, of those that are there."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def most_later() -> Resources | None:
    """The most that the cluster's autoscaler may come to; None where there is none, or where it can't be asked."""
    if ray.util.client.ray.is_connected():
        return None  # this process has no connection of its own to the cluster's state
    found: dict[str, int] | None = ray._private.state.state.get_max_resources_from_cluster_config()
    return found and {name: float(amount) for name, amount in found.items()}


def _on_one(needs: Needs, node: Resources) -> int:
    return min(int((node.get(name, 0.0) + 1e-6) / amount) for name, amount in needs.amounts().items())


def _total(name: str, nodes: Sequence[Resources]) -> float:
    return sum(node.get(name, 0.0) for node in nodes)


def _words(amounts: Resources) -> str:
    words = {name: f"{amount:g} {name}" for name, amount in amounts.items()}
    if "memory" in words:
        words["memory"] = f"{amounts['memory'] / 1e9:.3g} GB memory"
    return ", ".join(words.values())
