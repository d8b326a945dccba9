"""Starting a measuring process, following it, and making sure that it ends."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from greenfront.errors import MeasureError
from greenfront.hardware_profiles.interrupts import interrupts_held_back
from greenfront.hardware_profiles.jobs import ANSWERS, Job, write_plain
from greenfront.hardware_profiles.registry import get_runtime
from greenfront.hardware_profiles.sampling import Progress

_WORKER = "greenfront.hardware_profiles.worker"
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


# A process that times keeps the memory it has freed. By default glibc hands large buffers back and faults them in
# again, or not, depending on what the process did before: 3,000 to 4,500 page faults a pass of MiniLM-L6 at 512
# tokens, 5 to 16 ms on top of 21 to 151, in one process and not in another: predictions were off by 33%, now by 6%.
_KEEP_FREED_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}


def run_job(job: Job, progress: Progress | None = None) -> Any:
    """Do a job in a fresh process and return its answer, of the class `ANSWERS[job.name]`.

    The process has its thread count from the start (before PyTorch is imported) and never outlives this call.

    Raises:
        MeasureError: the process failed; the message is the last line it had to say.
    """
    with tempfile.TemporaryDirectory(prefix="greenfront-") as temporary:
        folder = Path(temporary)
        job_file, answer_file, errors_file = (
            folder / "job.json",
            folder / "answer.json",
            folder / "errors.txt",
        )
        write_plain(job, job_file)
        with errors_file.open("wb") as errors:
            code = _run([_module(job), str(job_file), str(answer_file)], _environment(job), errors, progress)
        if code != 0 or not answer_file.exists():
            reason = _reason(code, errors_file.read_text(errors="replace"))
            raise MeasureError(f"hardware {job.target.name!r}: measuring ({job.name}) failed: {reason}")
        return TypeAdapter(ANSWERS[job.name]).validate_json(answer_file.read_bytes())


def _run(arguments: list[str], environment: dict[str, str], errors: Any, progress: Progress | None) -> int:
    process: subprocess.Popen[str] | None = None
    try:
        with interrupts_held_back():  # between the fork and the assignment nobody knows the process
            # -P: without it Python would import from the current folder first, whatever lies there.
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
            )
        assert process.stdout is not None
        for line in process.stdout:
            word, *numbers = line.split() or [""]
            if progress is not None and word == "progress" and len(numbers) == 2:
                progress(int(numbers[0]), int(numbers[1]))
        return process.wait()
    finally:  # also after an interrupt, or a progress callback that raised
        if process is not None:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _module(job: Job) -> str:
    return get_runtime(job.target.runtime).deployed_worker if job.name in ("latency", "memory") else _WORKER


def _environment(job: Job) -> dict[str, str]:
    return {
        **os.environ,
        **dict.fromkeys(_THREAD_VARIABLES, str(job.target.threads)),
        **(_KEEP_FREED_MEMORY if job.name != "memory" else {}),  # a peak of memory is that of an ordinary process
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }


def _reason(code: int, errors: str) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        return f"its process was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return lines[-1] if lines else f"its process ended with code {code} and no message"
