"""What is written while workers go on working: one thread, in the order asked for."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

MOST = 256
"""What may be under way at once: a storage that is slower than the workers slows the search down, so that a crash loses
no more than this beside the trials in flight."""


class Saving:
    """Its errors, such as a full disk, come up where it is looked after."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="greenfront-save")
        self._under_way = deque[Future[None]]()

    def submit(self, save: Callable[..., None], *arguments: Any) -> None:
        """Have it called, after all before it, once not more than `MOST` of these are left."""
        while len(self._under_way) >= MOST:
            self._under_way.popleft().result()
        self._under_way.append(self._thread.submit(save, *arguments))

    def check(self) -> None:
        """Raise what has come up so far."""
        while self._under_way and self._under_way[0].done():  # they end in their order
            self._under_way.popleft().result()

    def wait(self) -> None:
        """Until all is written."""
        for save in self._under_way:
            save.result()
        self._under_way.clear()

    def close(self) -> None:
        """The same, for good."""
        self.wait()
        self._thread.shutdown()
