"""Deployed models in ONNX Runtime: `python -m greenfront.hardware_profiles.onnx_worker JOB.json ANSWER.json`.

This process holds what a deployment holds: NumPy, ONNX Runtime and the model. No PyTorch, no Transformers.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from greenfront.hardware_profiles.affinity import bind as bind_to_cpus
from greenfront.hardware_profiles.onnx_session import bind, load_inputs, open_session
from greenfront.hardware_profiles.resident import peak_resident_set, release_freed_memory, reset_resident_peak

PASSES = 3


def main(job_file: Path, answer_file: Path) -> int:
    """Do one job; 0 when its answer is written."""
    job = json.loads(job_file.read_text())
    bind_to_cpus(job["target"]["threads"])
    try:
        answer = memory(job) if job["name"] == "memory" else latency(job)
    except Exception as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    answer_file.write_text(json.dumps(answer))
    return 0


def memory(job: dict[str, Any]) -> dict[str, Any]:
    """The peak of three forward passes after loading, of the whole process, libraries included."""
    (deployed,) = map(Path, job["folders"].values())
    run, _ = bind(open_session(str(deployed), job["target"]["threads"]), load_inputs(deployed))
    release_freed_memory()
    reset_resident_peak()
    for _ in range(PASSES):
        run()
    peak = peak_resident_set()
    return {"peak_memory_mb": round(peak.megabytes, 6), "source": peak.source}


def latency(job: dict[str, Any]) -> dict[str, Any]:
    """A `LatencyAnswer`: samples of every model in turn, each right after untimed queries of its own."""
    # Not needed for memory, where every library would count.
    from greenfront.hardware_profiles.fingerprint import ConditionsMeter
    from greenfront.hardware_profiles.sampling import FEW_SECONDS, Schedule, Variant, time_in_turn
    from greenfront.hardware_profiles.waiting import WaitingMeter

    target, meter, variants = job["target"], ConditionsMeter(), []
    for name, deployed in job["folders"].items():
        run, _ = bind(open_session(deployed, target["threads"]), load_inputs(Path(deployed)))
        variants.append(Variant(name, (run,), lead_in=True))
    waiting = WaitingMeter(target["threads"])
    schedule = Schedule(job["repetitions"], job["seconds"], tolerance=0)
    samples_ms = time_in_turn(variants, schedule, job["seed"], lambda: None, warm_seconds=FEW_SECONDS)
    return {"conditions": asdict(meter.read()), "waited": waiting.share(), "samples_ms": samples_ms}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
