"""A measuring process: `python -m greenfront.hardware_profiles.worker JOB.json ANSWER.json`.

Progress goes to stdout as `progress DONE TOTAL`; the last line of stderr is the reason of a failure.
"""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import torch
from pydantic import TypeAdapter

from greenfront.hardware_profiles.affinity import bind
from greenfront.hardware_profiles.candidates_job import candidates_job
from greenfront.hardware_profiles.jobs import Answer, Job, JobName, write_plain
from greenfront.hardware_profiles.latency_job import latency_job
from greenfront.hardware_profiles.memory_job import memory_job
from greenfront.hardware_profiles.profile_job import profile_job
from greenfront.hardware_profiles.registry import get_runtime
from greenfront.hardware_profiles.runtime import Runtime
from greenfront.hardware_profiles.sampling import Progress

WORK: dict[JobName, Callable[[Job, Runtime, Progress], Answer]] = {
    "profile": profile_job,
    "candidates": candidates_job,
    "latency": latency_job,
    "memory": memory_job,
}


def main(job_file: Path, answer_file: Path) -> int:
    """Do one job; 0 when its answer is written."""
    job = TypeAdapter(Job).validate_json(job_file.read_bytes())
    bind(job.target.threads)
    torch.set_num_interop_threads(1)
    try:
        runtime = get_runtime(job.target.runtime)(job.target)
        write_plain(WORK[job.name](job, runtime, _report), answer_file)
    except Exception as error:
        traceback.print_exc()
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def _report(done: int, total: int) -> None:
    print(f"progress {done} {total}", flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
