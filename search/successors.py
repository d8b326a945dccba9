"""Workers that take the place of lost ones: started, waited for, and given up where nothing starts any more."""

import time
from collections.abc import Callable
from typing import Any

import ray
from ray.exceptions import RayError

from greenfront.errors import RunError
from greenfront.search.reasons import cant_be_made, last_line

START_SECONDS = 300.0
"""Importing everything takes a worker 10 s; one that Ray has no room for would be waited for in vain."""
FAILED_STARTS = 5
"""So many workers in a row that end before they are there: so would the next one."""


class Successors:
    """Those that are on their way. A job's time doesn't run while its worker only starts, so none is given one."""

    def __init__(self, start: Callable[[], Any]) -> None:
        """`start` makes an actor."""
        self._start = start
        self._starting: dict[Any, Any] = {}  # by the reference of the first answer
        self._failed = 0
        self._worked = time.monotonic()

    @property
    def references(self) -> list[Any]:
        """Of their first answers, for `ray.wait`."""
        return [*self._starting]

    def replace(self, actor: Any) -> None:
        """End an actor, if it isn't dead, and start another."""
        ray.kill(actor)
        self.add()

    def add(self) -> None:
        """Start one."""
        successor = self._start()
        self._starting[successor.ready.remote()] = successor

    def welcome(self, reference: Any) -> list[Any]:
        """The actor that has answered, for the first time; none where it has died, and another one is on its way.

        Raises:
            RunError: that was so several times in a row, or what it was made of raised an exception, as it always will.
        """
        actor = self._starting.pop(reference)
        try:
            ray.get(reference)
        except RayError as error:
            if cant_be_made(error):
                raise RunError(f"the Ray workers could not start: {last_line(error)}") from error
            self._failed += 1
            if self._failed >= FAILED_STARTS:
                why = f"no Ray worker starts any more, tried {FAILED_STARTS} times: {last_line(error)}"
                raise RunError(why) from error
            self.replace(actor)
            return []
        self._failed = 0
        return [actor]

    def check(self, alive: int) -> None:
        """Say how many other workers there are; raises RunError where there have been none for too long."""
        now = time.monotonic()
        if alive:
            self._worked = now
        elif now - self._worked > START_SECONDS:
            raise RunError(f"no Ray worker is left, and none could be started again in {START_SECONDS:.0f} s")
