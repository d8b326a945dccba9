"""Whether Ray starts here, and a worker of its answers."""

import time

import ray
from ray.exceptions import GetTimeoutError, RayError

from greenfront.checkup import Checked
from greenfront.config import RayConfig
from greenfront.errors import RunError
from greenfront.search.ray_session import running_ray
from greenfront.search.reasons import last_line

ANSWER_SECONDS = 120.0


def check_ray(answer_seconds: float = ANSWER_SECONDS) -> Checked:
    """Start Ray with one worker, ask it something, and stop it."""
    start = time.perf_counter()
    remedy = (
        "see the logs in /tmp/ray/session_latest/logs; a full disk, little memory or a firewall on loopback are usual"
    )
    try:
        with running_ray(RayConfig(), 1):
            answer: object = ray.get(ray.remote(_same).remote(42), timeout=answer_seconds)
    except GetTimeoutError:
        return Checked("ray", "mend", f"no worker answered in {answer_seconds:.0f} s", remedy)
    except (RunError, RayError) as error:
        return Checked("ray", "mend", f"it doesn't start: {last_line(error)}", remedy)
    if answer != 42:
        return Checked("ray", "mend", f"a worker answered {answer!r} instead of 42", "install Ray anew")
    return Checked("ray", "fine", f"{ray.__version__}, a worker answered after {time.perf_counter() - start:.1f} s")


def _same(value: int) -> int:
    """What a worker is asked; it has to import Greenfront for it, as in a search."""
    return value
