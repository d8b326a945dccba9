"""The same search on one, two and three nodes, one of which is killed in the middle while another joins.

    python benchmarks/reliability/cluster.py FILE.yaml --folder /tmp/cluster --nodes 1 2 3

The nodes are real Ray nodes (raylet, object store, workers) on this machine, one processor each, beside a head that
takes no work. FILE says what is searched; its profile is measured once, by the first search, and read by the others.
Each search is the program as its user starts it. FOLDER/NAME is its run folder; one that is finished is read, not
repeated.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import yaml
from moocore import hypervolume
from ray._private.internal_api import node_stats
from ray.cluster_utils import Cluster
from rich.console import Console
from rich.table import Table

from greenfront.search import Front, RunFolder
from greenfront.search.journal import results_in

POLL_SECONDS = 1.0


@dataclass
class Search:
    """One search; `lose`: after so many trials a node is killed, and after as many more another one joins."""

    name: str
    nodes: int
    lose: int | None = None
    stored_mb: float = 0.0
    seconds: float = 0.0

    def run(self, source: dict[str, Any], folder: Path, profile: Path | None) -> None:
        """From start to end, watched."""
        output = folder / self.name
        with cluster(self.nodes) as made:
            asked = {**source, "ray": {**source.get("ray", {}), "address": made.address}, "output": str(output)}
            asked["ray"].pop("workers", None)
            if profile is not None:
                asked["hardware"] = {**source.get("hardware", {}), "profile": str(profile)}
            file = folder / f"{self.name}.yaml"
            file.write_text(yaml.safe_dump(asked))
            program = [str(Path(sys.executable).with_name("greenfront")), "search", str(file)]
            began, lost = time.monotonic(), 0
            with (folder / f"{self.name}.txt").open("wb") as said:
                process = subprocess.Popen(program, stdout=said, stderr=said, cwd=folder, env=dict(os.environ))
                while process.poll() is None:
                    time.sleep(POLL_SECONDS)
                    self.stored_mb = max(self.stored_mb, *stored_mb(made))
                    ended = len(results_in(output / "study.journal"))
                    if self.lose is not None and lost < 2 and ended >= self.lose * (lost + 1):
                        change(made, leaves=lost == 0)
                        lost += 1
            self.seconds = time.monotonic() - began
            noted = {"seconds": round(self.seconds, 1), "stored_mb": round(self.stored_mb, 1)}
            (output / "cluster.json").write_text(json.dumps(noted))
        if process.returncode:
            raise SystemExit(f"{self.name} ended with {process.returncode}: {folder / self.name}.txt")


def change(made: Cluster, *, leaves: bool) -> None:
    """Kill the node that joined last, as a power cut would, or add one."""
    if leaves:
        made.remove_node(max(made.worker_nodes, key=lambda node: node.address_info["object_store_address"]), False)
    else:
        made.add_node(num_cpus=1)
    print("a node was killed" if leaves else "a node joined", flush=True)


@contextmanager
def cluster(nodes: int) -> Iterator[Cluster]:
    """A head without processors, and so many nodes of one each."""
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 2 * 10**9})
    try:
        for _ in range(nodes):
            made.add_node(num_cpus=1, object_store_memory=10**9)
        yield made
    finally:
        made.shutdown()


def stored_mb(made: Cluster) -> list[float]:
    """In the object store of every node."""
    found = [0.0]
    for node in made.global_state.node_table():
        try:
            stats = node_stats(node["NodeManagerAddress"], node["NodeManagerPort"], False).store_stats
        except grpc.RpcError:  # it is leaving, or has left
            continue
        found.append(stats.object_store_bytes_used / 1e6)
    return found


def main() -> None:
    """Search with every number of nodes, and once with a loss; print what came of it."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("file", type=Path)
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 3])
    arguments.add_argument("--lose", type=int, default=3, help="a node is lost after so many trials of the last search")
    given = arguments.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    source = yaml.safe_load(given.file.read_text())
    for section in ("model", "data"):
        source[section] = {key: _found(given.file.parent, value) for key, value in source[section].items()}
    searches = [Search(f"nodes-{count}", count) for count in given.nodes]
    searches.append(Search(f"nodes-{given.nodes[-1]}-lost", given.nodes[-1], given.lose))
    profile: Path | None = None
    for search in searches:
        run = RunFolder(given.folder / search.name)
        if not (run.path / "cluster.json").exists():
            search.run(source, given.folder.resolve(), profile)
        profile = profile or next((run.path / "profiles").glob("*.json")).resolve()
    Console(width=120).print(table(given.folder, searches))


def table(folder: Path, searches: list[Search]) -> Table:
    """What every search came to. The reference point is the original's loss of everything, at the original's cost."""
    shown = Table(
        "search", "trials", "failed", "seconds", "search phase s", "MB in a node's store", "hypervolume", "best"
    )
    for search in searches:
        run = RunFolder(folder / search.name)
        front, results = Front.load(run.front), results_in(run.study)
        noted = yaml.safe_load((run.path / "cluster.json").read_text())
        summary = yaml.safe_load(run.summary.read_text())
        name = front.targets[0]
        whole = front.original.predicted[name].latency_ms.median
        points = np.array([
            [1 - c.score.validation, c.predicted[name].latency_ms.median / whole] for c in front.candidates
        ])  # fmt: skip
        best = max(c.score.validation for c in front.candidates)
        shown.add_row(
            search.name, str(sum(result.state == "scored" for result in results)),
            str(sum(result.state == "failed" for result in results)), f"{noted['seconds']:.0f}",
            f"{summary['search_phase_seconds']:.0f}", f"{noted['stored_mb']:.0f}",
            f"{hypervolume(points, ref=np.array([1.0, 1.0])):.4f}", f"{best:.4f}",
        )  # fmt: skip
    return shown


def _found(folder: Path, value: object) -> object:
    path = folder / value if isinstance(value, str) else None
    return str(path.resolve()) if path is not None and path.exists() else value


if __name__ == "__main__":
    main()
