"""The kinds of failures of what a worker is given, and how often it is tried."""

from typing import Literal

Failure = Literal["", "refused", "diverged", "error", "memory", "time", "died", "node"]
"""`refused`: the plan doesn't fit its model; `error`: an exception that nobody expected; `time`: its limit was over;
`died`: its worker ended; `node`: its machine left, or the object store has lost what it came to."""
TRIES: dict[Failure, int] = {"error": 2, "memory": 2, "died": 2, "node": 4}
"""How often a job is given to a worker that fails so; once where the same would only come again, as a plan has one
seed. A machine that leaves says least about the plan, but a plan may be what ends machines."""
POISONED: tuple[Failure, ...] = ("error", "memory", "died", "node", "time")
"""After these a worker is replaced: nobody knows what its process is in."""
