"""Searches whose driver, worker or raylet is killed at random moments: is anything lost, do they go on the same way?

    python benchmarks/reliability/kills.py --kills 100 --folder /tmp/kills

Real small searches, one worker, one after the other. Each is killed (SIGKILL) up to five times and started again with
the same command; then it has to finish. Every second one measures its own profile; the others read that of an
undisturbed search, and have to propose the same plans in the same order as it did. A kill comes at a random moment, or
while a file is being written. All that happened is in FOLDER/kills.jsonl: the same command goes on from there.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table
from small_search import Setting, Small, wait

SETTING = Setting(trials=6)
KILLS_A_RUN = 5
VICTIMS = ("driver", "driver", "worker", "raylet")
WRITING = 0.3
"""Share of the kills that wait for a file that is being written."""
LONGEST_SECONDS = 900.0
"""A search that takes longer has hung."""


def main() -> None:
    """Kill until there are so many kills on record, then print what came of them."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kills", type=int, default=100)
    arguments.add_argument("--folder", type=Path, required=True)
    given = arguments.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that what was started is ended, too
    record = given.folder / "kills.jsonl"
    reference = undisturbed(given.folder)
    while sum(each["what"] == "kill" for each in recorded(record)) < given.kills:
        one_run(given.folder, record, reference)
    Console(width=120).print(table(recorded(record)))


def recorded(path: Path) -> list[dict[str, Any]]:
    """What happened so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def add(path: Path, **event: object) -> None:
    """Write down what happened."""
    with path.open("a") as file:
        file.write(json.dumps(event) + "\n")
    print(event, flush=True)


def undisturbed(folder: Path) -> Small:
    """The search that the others are compared with, finished."""
    profile = folder / "profile.json"
    small = Small(folder, "undisturbed", SETTING, profile if profile.exists() else None)
    if not small.is_finished():
        code = finish(small)
        if code != 0:
            raise SystemExit(f"the undisturbed search ended with {code}; see {folder / 'undisturbed.txt'}")
    shutil.copy(small.output / "profiles" / "here.json", profile)
    return small


def one_run(folder: Path, record: Path, reference: Small) -> None:
    """Kill one search, or the one that an earlier start of this was killing, and let it finish."""
    events = recorded(record)
    number = sum(event["what"] == "run" for event in events)
    profile = folder / "profile.json" if number % 2 == 0 else None
    small = Small(folder, f"killed{number}", SETTING, profile)
    small.end()
    before = [event for event in events if event["what"] == "kill" and event["run"] == number]
    known: dict[str, Any] = {}
    for event in before:
        known |= event["trials"]
    for kill in range(len(before), KILLS_A_RUN):
        rng = random.Random(f"{number} {kill}")
        victim, writing = rng.choice(VICTIMS), rng.random() < WRITING
        came = one_kill(small, victim, rng.uniform(0, LONGEST_MOMENT), writing)
        if came is None:
            break
        known |= small.finished_trials()
        add(record, what="kill", run=number, trials=known, **came)
    code = finish(small)
    now = small.finished_trials()
    add(
        record, what="run", run=number, code=code, finished=small.is_finished(), trials=len(now),
        lost=sorted(id_ for id_, trial in known.items() if list(trial) != list(now.get(id_, ()))),
        died=sum(state == "failed" for state, *_ in now.values()),
        same=None if profile is None else small.sequence() == reference.sequence(),
    )  # fmt: skip


LONGEST_MOMENT = 60.0
"""Seconds after a start up to which kills come: about what an undisturbed search takes."""


def one_kill(small: Small, victim: str, moment: float, writing: bool) -> dict[str, object] | None:
    """Start a search, kill a part of it, and wait until all of it has ended; None where it finished before."""
    process, started = small.start(), time.monotonic()
    try:
        return _killed(small, process, started, victim, moment, writing)
    finally:
        small.end()


def _killed(
    small: Small, process: "subprocess.Popen[bytes]", started: float, victim: str, moment: float, writing: bool
) -> dict[str, object] | None:
    if wait(process, moment) is not None:
        return None
    while writing and process.poll() is None and not any(small.output.rglob("*.partial")):
        time.sleep(0.001)
        if time.monotonic() - started > 2 * LONGEST_MOMENT:
            break
    words = {"driver": ("greenfront search",), "worker": ("ray::Worker",), "raylet": ("raylet/raylet",)}
    while not (victims := small.named(*words[victim])) and process.poll() is None:
        time.sleep(0.05)
    if process.poll() is not None:
        return None
    stage, at = small.stage(), time.monotonic() - started
    try:
        victims[0].send_signal(signal.SIGKILL)
    except psutil.Error:
        return None
    code = wait(process, LONGEST_SECONDS)
    left = sum(1 for _ in small.processes())
    return {
        "victim": victim, "stage": stage, "at": round(at, 2), "writing": writing, "code": code,
        "seconds_to_end": round(time.monotonic() - started - at, 2), "left": left,
    }  # fmt: skip


def finish(small: Small) -> int | None:
    """The same command until it ends by itself; its exit code."""
    process = small.start()
    try:
        return wait(process, LONGEST_SECONDS)
    finally:
        small.end()


def table(events: list[dict[str, Any]]) -> Table:
    """Kills by victim and stage, and what the runs came to."""
    kills = [event for event in events if event["what"] == "kill"]
    runs = [event for event in events if event["what"] == "run"]
    compared = [event for event in runs if event["same"] is not None]
    found = Table(title=f"{len(kills)} kills of {len(runs)} searches", show_header=False)
    for victim, count in Counter(event["victim"] for event in kills).items():
        stages = Counter(event["stage"] for event in kills if event["victim"] == victim)
        found.add_row(f"{victim} killed", f"{count}: " + ", ".join(f"{n} in {stage!r}" for stage, n in stages.items()))
    found.add_row("while a file was written", str(sum(event["writing"] for event in kills)))
    survived = sum(event["victim"] != "driver" and event["code"] == 0 for event in kills)
    found.add_row("searches that survived the kill of a part", str(survived))
    found.add_row("searches that finished", f"{sum(e['code'] == 0 and e['finished'] for e in runs)} of {len(runs)}")
    found.add_row("finished trials lost or changed", str(sum(len(event["lost"]) for event in runs)))
    found.add_row("trials given up with a worker", str(sum(event["died"] for event in runs)))
    found.add_row("same plans in the same order", f"{sum(e['same'] for e in compared)} of {len(compared)}")
    return found


if __name__ == "__main__":
    main()
