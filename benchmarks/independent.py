"""Times exported candidates with plain ONNX Runtime, in fresh processes, against a run's front.json.

greenfront export RUN original --to DIR/original --onnx   (and every front member: DIR/ID)
python benchmarks/independent.py RUN/front.json DIR

Nothing of Greenfront is imported: whoever doubts the numbers reads these lines instead. Every process times queries of
its candidate, one right after the other, and of the original in turn, for the machine's own speed changes from minute
to minute; there are several, since each draws its own places in memory, which a small model's latency depends on.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

TURNS, UNTIMED, QUERIES, PROCESSES, WITHIN = 12, 20, 10, 9, 0.05


def main() -> int:
    """Print each front member's latency beside that of front.json; 1 when one is off by more than 5% or over budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("front", type=Path)
    parser.add_argument("exports", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--latency-budget", type=float, help="the most allowed, as a share of the original's latency")
    parser.add_argument("--time", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.time:
        original, exported = arguments.time
        print(json.dumps(time_both(original, exported, arguments.threads, arguments.tokens)))
        return 0
    front = json.loads(arguments.front.read_text())
    target = front["targets"][0]
    reference = front["original"]["cost"][target]["latency_ms"]["median"]
    worst, kept = 0.0, True
    print("candidate        ms here  in front.json  difference | ratio here  over processes  in front.json  difference")
    for candidate in (candidate for candidate in front["candidates"] if candidate["on_front"]):
        files = [str(arguments.exports / name / "model.onnx") for name in ("original", candidate["id"])]
        command = [sys.executable, *sys.argv, "--time", *files]
        pairs = [
            json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            for _ in range(PROCESSES)
        ]
        found = statistics.mean(candidate_ms for _, candidate_ms in pairs)
        ratios = [candidate_ms / original_ms for original_ms, candidate_ms in pairs]
        ratio = statistics.mean(ratios)
        said = candidate["cost"][target]["latency_ms"]["median"]
        difference = ratio / (said / reference) - 1
        worst = max(worst, abs(difference))
        kept &= ratio <= (arguments.latency_budget or ratio)
        print(
            f"{candidate['id']:<16} {found:7.2f}  {said:13.2f}  {found / said - 1:+10.1%} | "
            f"{ratio:10.3f}  {min(ratios):.3f} to {max(ratios):.3f}  {said / reference:13.3f}  {difference:+10.1%}"
        )
    over = "" if arguments.latency_budget is None else f"; latency budget {'kept' if kept else 'NOT kept'} by all"
    print(f"largest difference of a ratio: {worst:.1%} (limit {WITHIN:.0%}){over}")
    return int(worst > WITHIN or not kept)


def time_both(original: str, candidate: str, threads: int, tokens: int) -> list[float]:
    """Median milliseconds of a query of each model: in every turn so many in a row, the first ones untimed."""
    import numpy
    import onnxruntime

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    sessions = [onnxruntime.InferenceSession(file, options) for file in (original, candidate)]
    ids = numpy.random.default_rng(0).integers(1000, 20000, (1, tokens))
    whole = {"input_ids": ids, "attention_mask": numpy.ones_like(ids), "token_type_ids": numpy.zeros_like(ids)}
    feeds = [{value.name: whole[value.name] for value in session.get_inputs()} for session in sessions]
    samples: list[list[float]] = [[], []]
    for _ in range(TURNS):
        for number in random.sample((0, 1), 2):
            for query in range(UNTIMED + QUERIES):
                started = time.perf_counter()
                sessions[number].run(None, feeds[number])
                if query >= UNTIMED:
                    samples[number].append(1000 * (time.perf_counter() - started))
    return [statistics.median(times) for times in samples]


if __name__ == "__main__":
    sys.exit(main())
