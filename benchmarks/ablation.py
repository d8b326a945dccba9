"""What each method reaches alone, and all of them together, in searches that differ in nothing else.

    python benchmarks/ablation.py examples/reuters.yaml runs/ablation
    python benchmarks/ablation.py examples/spam-long.yaml runs/ablation-long --methods heads width blocks bits \\
        embeddings low_rank linformer window clustered lsh performer linear_attention sign_matching

Searches once with every method, then once with each one of them alone: the same original, as the first search has
fine-tuned it, the same profile and the same number of trials, budgeted only by the loss of accuracy. Which methods the
file names plays no part. Methods that are named here are all that the first search has, too: so approximations take
part that aren't offered unasked at a length, as `lsh` isn't below 1,024 tokens. A search that was done is read from its
folder. Prints the fastest verified candidate within the loss, of the test score and of the validation score alone,
which is all that may choose.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from greenfront.config import load_config
from greenfront.search import Candidate, Front, RunFolder
from greenfront.spaces import METHODS

EVERY = "every"


def main() -> None:
    """Search what was not searched yet, and print one row per set of methods."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--loss", type=float, default=0.01, help="the most allowed, relative to the original's score")
    parser.add_argument("--trials", type=int, default=14)
    parser.add_argument("--methods", nargs="+", choices=METHODS, help="together and alone; default: all that fit")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    every = RunFolder((options.folder / EVERY).resolve())
    limits = {"budgets": {"accuracy_drop": f"{options.loss:%}"}, "search": {"trials": options.trials}}
    together = {"space": {"methods": options.methods}} if options.methods else {}
    said = {EVERY: search(options.file, every.path, {**limits, **together})}
    target = load_config(options.file).hardware[0].name
    shared = {"model": {"path": str(every.original)}, "hardware": {"profile": str(every.profile(target))}}
    for method in options.methods or METHODS:
        alone = {**limits, **shared, "space": {"methods": [method]}}
        said[method] = search(options.file, (options.folder / method).resolve(), alone)
    table = Table(title=f"fastest verified candidate within {options.loss:.1%}: of the test score | of validation")
    for column in ("methods", "x faster", "x smaller", "test loss", "x faster", "x smaller", "test loss", "note"):
        table.add_column(column, justify="right")
    for name, note in said.items():
        run = RunFolder(options.folder / name)
        if run.front.exists():
            front = Front.load(run.front)
            table.add_row(
                name, *reached(front, options.loss, "test"), *reached(front, options.loss, "validation"), note
            )
        else:
            table.add_row(name, *("-",) * 6, note)
    Console(width=150).print(table)


def search(file: Path, output: Path, changes: dict[str, Any]) -> str:
    """Run `greenfront search` on a changed copy of the file, unless it is done; what to say of how it ended."""
    raw = yaml.safe_load(file.read_text())
    for section, key in (("model", "path"), ("data", "train"), ("data", "validation"), ("data", "test")):
        if key in raw[section]:
            raw[section][key] = str((file.parent / raw[section][key]).resolve())
    raw["space"] = {key: value for key, value in raw.get("space", {}).items() if key != "methods"}
    for section in ("model", "search", "space"):
        raw[section] = {**raw.get(section, {}), **changes.get(section, {})}
    raw["hardware"] = [{**raw["hardware"][0], **changes.get("hardware", {})}]
    copy = output.with_suffix(".yaml")
    copy.write_text(yaml.safe_dump({**raw, "budgets": changes["budgets"], "output": str(output)}))
    if RunFolder(output).front.exists():
        return ""
    command = [str(Path(sys.executable).with_name("greenfront")), "search", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True)
    output.with_suffix(".log").write_text(done.stdout + done.stderr)
    return "" if done.returncode == 0 else " ".join((done.stderr or done.stdout).split())[-120:]


def reached(front: Front, loss: float, split: str) -> tuple[str, str, str]:
    """Speed, size and test loss of the fastest verified candidate whose score on the split is good enough."""

    def score(candidate: Candidate, name: str) -> float:
        return float(getattr(candidate.score, name))

    base = front.original
    verified = [c for c in front.candidates if c.verified and c.plan]
    enough = [c for c in verified if score(c, split) >= (1 - loss) * score(base, split)]
    if not enough:
        return "-", "-", "-"
    best = min(enough, key=lambda candidate: candidate.costs()[front.target].latency_ms.median)
    cost, before = best.costs()[front.target], base.costs()[front.target]
    drop = 1 - score(best, "test") / score(base, "test")
    faster, smaller = before.latency_ms.median / cost.latency_ms.median, before.size_mb / cost.size_mb
    return f"{faster:.2f}", f"{smaller:.2f}", f"{drop:+.2%}"


if __name__ == "__main__":
    main()
