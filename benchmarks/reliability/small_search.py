"""A real search that takes a minute, as its user starts it, and the processes that it consists of."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))  # `tests` is not installed
from greenfront.search.journal import results_in
from tests.end_to_end.tiny_task import OFFLINE_AND_WIDE, PROGRAM, build_task

MARK = "GREENFRONT_RELIABILITY"
"""A variable that every process of a search inherits, whoever starts it."""
YAML = """\
model: {{path: encoder, task: text-classification}}
data: {{train: train.csv, test: test.csv, max_length: 32}}
hardware: {{name: here, batch_size: 8, seconds: 1, disturbed: accept{profile}}}
budgets: {{size: 35%}}
objectives: [accuracy, latency, size]
space: {{methods: [low_rank, bits], low_rank: {{align: 32}}}}
search: {{trials: {trials}, finalists: 2, sampler: {sampler}}}
fine_tune: {{steps: {steps}, batch_size: 16, original_epochs: 4, original_learning_rate: 1e-3}}
ray: {{workers: {workers}}}
output: {output}
"""


@dataclass(frozen=True)
class Setting:
    """What differs between searches."""

    trials: int
    steps: int = 12
    workers: int = 1
    sampler: str = "tpe"


@dataclass(frozen=True)
class Small:
    """One search in a folder that holds its task; `profile`: a file to read instead of measuring."""

    folder: Path
    name: str
    setting: Setting
    profile: Path | None = None

    @property
    def output(self) -> Path:
        """Its run folder."""
        return self.folder / self.name

    @property
    def journal(self) -> Path:
        """Its study."""
        return self.output / "study.journal"

    def start(self) -> "subprocess.Popen[bytes]":
        """Begin it, or go on with it; what it says is added to NAME.txt."""
        if not (self.folder / "train.csv").exists():
            build_task(self.folder)
        given = "" if self.profile is None else f", profile: {self.profile}"
        text = YAML.format(**vars(self.setting), profile=given, output=self.name)
        (self.folder / f"{self.name}.yaml").write_text(text)
        environment = {**os.environ, **OFFLINE_AND_WIDE, MARK: str(self.output)}
        with (self.folder / f"{self.name}.txt").open("ab") as said:
            return subprocess.Popen(
                [PROGRAM, "search", f"{self.name}.yaml"], cwd=self.folder, env=environment, stdout=said, stderr=said,
                start_new_session=True,
            )  # fmt: skip

    def processes(self) -> Iterator[psutil.Process]:
        """All that are alive of this search."""
        for process in psutil.process_iter():
            try:
                alive = process.status() != psutil.STATUS_ZOMBIE
                if alive and process.environ().get(MARK) == str(self.output):
                    yield process
            except psutil.Error:
                continue

    def named(self, *words: str) -> list[psutil.Process]:
        """Those whose command line has one of these words."""
        found = []
        for process in self.processes():
            try:
                line = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if any(word in line for word in words):
                found.append(process)
        return found

    def end(self) -> int:
        """Kill whatever is left of it, such as Ray's processes without their driver; how many there were."""
        left = list(self.processes())
        for process in left:
            try:
                process.kill()
            except psutil.Error:
                continue
        psutil.wait_procs(left, timeout=30)
        return len(left)

    def stage(self) -> str:
        """What it was doing when it said something last."""
        log = self.output / "log.txt"
        lines = log.read_text().splitlines() if log.exists() else []
        begun = [line[20:-4] for line in lines if line.endswith(" ...")]
        return begun[-1] if begun else "starting"

    def finished_trials(self) -> dict[str, tuple[str, float | None, float | None]]:
        """State, metric and divergence of every trial that has ended, by its plan's id."""
        ended = ("scored", "failed")
        results = results_in(self.journal)
        return {r.plan.id: (r.state, r.validation, r.divergence) for r in results if r.state in ended}

    def sequence(self) -> list[tuple[str, str]]:
        """Plans in the order in which they were proposed, and where each came from; also those that were refused."""
        return [(result.plan.id, result.origin) for result in results_in(self.journal)]

    def is_finished(self) -> bool:
        """Whether a front was verified."""
        front = self.output / "front.json"
        return front.exists() and bool(json.loads(front.read_text())["original"]["verified"])


def wait(process: "subprocess.Popen[bytes]", seconds: float) -> int | None:
    """Its exit code, None where it goes on."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def interrupt(process: "subprocess.Popen[bytes]") -> float:
    """Ctrl-C; gives the seconds until it had ended."""
    started = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    process.wait(120)
    return time.monotonic() - started
