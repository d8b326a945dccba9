"""What an exception on a worker means, and what Ray says when a worker is lost."""

import torch
from ray.exceptions import ActorDiedError, NodeDiedError, ObjectLostError, OutOfMemoryError, RayError

from greenfront.errors import Diverged, GreenfrontError
from greenfront.search.failures import Failure


def failure_of(error: Exception) -> tuple[Failure, str]:
    """What an exception on a worker means, and the reason that is kept with the trial."""
    if isinstance(error, Diverged):
        return "diverged", f"diverged: {error}"
    if _is_memory(error):
        return "memory", f"out of memory: {error}" if str(error) else "out of memory"
    if isinstance(error, GreenfrontError):
        return "refused", str(error)
    return "error", f"{type(error).__name__}: {error}"


def loss_of(error: RayError) -> tuple[Failure, str]:
    """The same of what Ray says instead of an answer."""
    said = last_line(error)
    if isinstance(error, NodeDiedError | ObjectLostError) or _left(error):
        return "node", f"its machine left: {said}"
    if isinstance(error, OutOfMemoryError) or "running low on memory" in str(error):
        return "memory", "out of memory: Ray ended the worker, as its machine ran low"
    return "died", f"the worker died: {said}"


def cant_be_made(error: RayError) -> bool:
    """Whether a worker's own constructor raised an exception: no process was lost, and the next would do the same."""
    return isinstance(error, ActorDiedError) and "creation task" in str(error)


def last_line(error: BaseException) -> str:
    """What an error of Ray's comes down to: its traceback's last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _is_memory(error: Exception) -> bool:
    """PyTorch has an exception of its own for a processor's memory in words only."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _left(error: RayError) -> bool:
    return isinstance(error, ActorDiedError) and "node has died" in str(error)
