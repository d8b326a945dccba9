"""Nodes that are lost, stragglers and a slow disk, in simulated time on the real driver.

    python benchmarks/search/troubled.py runs/reuters --workers 1 10 100 1000 --seconds 30

As `simulate.py`, whose pool this is, with everything that goes wrong on many machines: a node of 8 workers is lost
every so many hours on average (its trials come back as lost, and are given away again), and is there again after some
minutes; one job in so many takes longer than the others; and each of a trial's two writes takes time, beside the
driver's own work, which waits when too many are left (`greenfront.search.saving`). A row of the table for each number
of workers.
"""

import argparse
import heapq
import itertools
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from simulate import SimulatedPool, _truth, make_driver

from greenfront.evaluators import Outputs
from greenfront.search import RunFolder
from greenfront.search.pool import Finished
from greenfront.search.progress import Silent
from greenfront.search.saving import MOST
from greenfront.search.worker import Outcome
from greenfront.spaces import Plan

PER_NODE = 8


@dataclass(frozen=True)
class Troubles:
    """`loss_hours`: of one node, between two losses on average; it is away for `away_seconds`. `stragglers`: their
    share, each `slower` times as slow. `write_seconds`: of one write; a trial has two."""

    loss_hours: float = 4.0
    away_seconds: float = 300.0
    stragglers: float = 0.05
    slower: float = 4.0
    write_seconds: float = 0.005


@dataclass
class TroubledPool(SimulatedPool):
    """A simulated pool with troubles; all that happens is in the order of the virtual clock."""

    troubles: Troubles = field(default_factory=Troubles)
    lost: int = 0
    behind: float = 0.0
    worked: list[tuple[float, float]] = field(default_factory=list)
    """When jobs that came to something began and ended; of those that were lost `wasted`."""
    wasted: list[tuple[float, float]] = field(default_factory=list)
    gone: list[tuple[float, float]] = field(default_factory=list)
    """When workers left with their node, and came back."""

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(0)
        self._count = itertools.count()
        self._free = list(range(self.workers))
        self._jobs: dict[int, tuple[float, int, str]] = {}  # by worker: begun, tag, plan
        self._events: list[tuple[float, int, str, int, int]] = []
        self._written, self._known = 0.0, set[int]()
        for node in range(-(-self.workers // PER_NODE)):
            self._lose_later(node)

    @property
    def free(self) -> int:
        """How many workers wait for a plan."""
        return len(self._free)

    @property
    def busy(self) -> int:
        """How many plans are being evaluated."""
        return len(self._jobs)

    def submit(self, tag: int, plan_id: str, plan_json: str, part: object = None) -> None:
        """Give a plan to a free worker."""
        self._enter()
        worker, slow = self._free.pop(), self._rng.random() < self.troubles.stragglers
        self._jobs[worker] = self.now, tag, plan_json
        self._at(self.now + self.seconds * (self.troubles.slower if slow else 1.0), "end", worker, tag)
        if tag not in self._known:
            self.submitted.append(self.now)
            self._known.add(tag)
        self._write()
        self._leave()

    def wait(self, seconds: float) -> list[Finished]:
        """What happens next; nothing where that is more than `seconds` away."""
        self._enter()
        until, finished = self.now + seconds, list[Finished]()
        while self._events and self._events[0][0] <= until and not finished:
            time, _, kind, place, tag = heapq.heappop(self._events)
            self.now = max(self.now, time)
            if kind == "end" and place in self._jobs and self._jobs[place][1] == tag:
                finished.append(self._end(place, time))
            elif kind == "lost":
                finished += self._lose(place)
            elif kind == "back":
                self._free += range(place * PER_NODE, min(self.workers, (place + 1) * PER_NODE))
                self._lose_later(place)
        if not finished:
            self.now = max(self.now, until)
        self._leave()
        return finished

    def _end(self, worker: int, ended: float) -> Finished:
        begun, tag, plan_json = self._jobs.pop(worker)
        self._free.append(worker)
        plan = Plan.from_json(plan_json)
        self.worked.append((begun, ended))  # the driver may come to it later
        self.finished.append(ended)
        self.spent_at.append(self.spent)
        self._write()
        nats, outputs = self.divergence(plan), Outputs("accuracy", np.zeros((1, 2)))
        return Finished(tag, Outcome(plan.id, float(np.exp(-nats)), nats, ended - begun, outputs=outputs), None)

    def _lose(self, node: int) -> list[Finished]:
        gone = range(node * PER_NODE, min(self.workers, (node + 1) * PER_NODE))
        self.gone += [(self.now, self.now + self.troubles.away_seconds)] * len(gone)
        self._free = [worker for worker in self._free if worker not in gone]
        self._at(self.now + self.troubles.away_seconds, "back", node, 0)
        found = []
        for worker in [worker for worker in self._jobs if worker in gone]:
            begun, tag, plan_json = self._jobs.pop(worker)
            self.lost += 1
            self.wasted.append((begun, self.now))
            id_, reason = Plan.from_json(plan_json).id, "its machine left"
            found.append(Finished(tag, Outcome(id_, None, None, self.now - begun, reason, failure="node"), None))
        return found

    def _write(self) -> None:
        seconds = self.troubles.write_seconds
        self._written = max(self._written, self.now) + seconds
        self.behind = max(self.behind, self._written - self.now)
        self.now = max(self.now, self._written - MOST * seconds)

    def _lose_later(self, node: int) -> None:
        self._at(self.now + float(self._rng.exponential(3600 * self.troubles.loss_hours)), "lost", node, 0)

    def _at(self, time: float, kind: str, place: int, tag: int) -> None:
        heapq.heappush(self._events, (time, next(self._count), kind, place, tag))


def main() -> None:
    """Simulate with every number of workers, and print a row of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--trials", type=int, default=0, help="default: 40 a worker, from 200 to 10,000")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--sampler", help="default: the run's")
    for name, default in vars(Troubles()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=default)
    asked = parser.parse_args()
    troubles = Troubles(**{name: getattr(asked, name) for name in vars(Troubles())})
    source = RunFolder.existing(asked.run)
    sent = sum(_size(path) for path in (source.base, source.library, source.teacher)) / 1e6
    head = ("workers", "trials", "lost and repeated", "away", "busy", "of it lost", "driver, ms a trial", "journal, MB",
            "writing behind by, s", "object store, MB a node")  # fmt: skip
    print(f"| {' | '.join(head)} |\n{'|---' * len(head)}|")
    for workers in asked.workers:
        with tempfile.TemporaryDirectory() as folder:
            trials = asked.trials or min(max(200, 40 * workers), 10_000)
            driver, losses = make_driver(source, Path(folder) / "run", trials, asked.sampler)
            pool = TroubledPool(workers, asked.seconds, _truth(driver, losses, None), troubles=troubles)
            driver.search(pool, Silent())  # type: ignore[arg-type]
            print(row(pool, driver.run.study.stat().st_size / 1e6, sent), flush=True)


def row(pool: TroubledPool, journal_mb: float, sent_mb: float) -> str:
    """Of the table. Away is the share of all workers' time in which their node wasn't there, busy the share of the rest
    in which they had a job, of it lost what came to nothing, as a node left; all of it until the last plan is given
    away, beyond which there is no work for all of them."""
    until = max(pool.submitted[-1], pool.seconds)
    worked, wasted, gone = (_within(times, until) for times in (pool.worked, pool.wasted, pool.gone))
    every = pool.workers * until
    busy, lost = (worked + wasted) / (every - gone), wasted / max(worked + wasted, 1e-9)
    spent = 1000 * float(np.diff([0.0, *pool.spent_at]).mean())
    shares = (f"{share:.1%}" for share in (gone / every, busy, lost))
    numbers = (f"{spent:.1f}", f"{journal_mb:.1f}", f"{pool.behind:.1f}", f"{sent_mb:.0f}")
    cells = (pool.workers, len(pool.finished), pool.lost, *shares, *numbers)
    return f"| {' | '.join(map(str, cells))} |"


def _within(times: Iterable[tuple[float, float]], until: float) -> float:
    return sum(max(min(end, until) - begun, 0.0) for begun, end in times)


def _size(path: Path) -> int:
    return (
        sum(each.stat().st_size for each in path.rglob("*") if each.is_file()) if path.is_dir() else path.stat().st_size
    )


if __name__ == "__main__":
    main()
