"""The memory of one model in ONNX Runtime: `python -m greenfront.hardware_profiles.onnx_memory JOB.json ANSWER.json`.

This process holds what a deployment holds: NumPy, ONNX Runtime and the model. No PyTorch, no Transformers.
"""

import json
import sys
from pathlib import Path

from greenfront.hardware_profiles.affinity import bind as bind_to_cpus
from greenfront.hardware_profiles.onnx_session import bind, load_inputs, open_session
from greenfront.hardware_profiles.resident import peak_resident_set, release_freed_memory, reset_resident_peak

PASSES = 3


def main(job_file: Path, answer_file: Path) -> int:
    """The peak of three forward passes after loading, of the whole process, libraries included."""
    job = json.loads(job_file.read_text())
    threads = job["target"]["threads"]
    bind_to_cpus(threads)
    (deployed,) = map(Path, job["folders"].values())
    try:
        run, _ = bind(open_session(str(deployed), threads), load_inputs(deployed))
        release_freed_memory()
        reset_resident_peak()
        for _ in range(PASSES):
            run()
    except Exception as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    peak = peak_resident_set()
    answer_file.write_text(json.dumps({"peak_memory_mb": round(peak.megabytes, 6), "source": peak.source}))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
