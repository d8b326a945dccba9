"""Holding interrupts back while something must not be left half done."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_HELD_BACK = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """What arrives inside is handled at the end; Python's own handlers only run in the main thread.

    Blocking the signal would not do: another thread may take it, and its handler then runs in the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[tuple[Any, ...]] = []
    before = {number: signal.signal(number, lambda *arguments: arrived.append(arguments)) for number in _HELD_BACK}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number, _ in arrived:
            signal.raise_signal(number)
