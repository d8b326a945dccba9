"""What signals do to a Ray that was started here: nothing. They are for the search, which ends Ray when it ends."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray._private import services
from ray._private.utils import detect_fate_sharing_support


@contextmanager
def own_signals() -> Iterator[None]:
    """What SIGTERM does stays as it was. Ray's own answer to it is to end at once, with nothing written, and when Ray
    shuts down the system's default is left, of which Python knows nothing."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


class _InOwnSession(services.ConsolePopen):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "start_new_session": True})


@contextmanager
def apart() -> Iterator[None]:
    """A Ray that is started inside is in a session of its own, so that what is sent to a whole process group (by a
    terminal, a batch system, `timeout`) reaches the search alone.

    Its raylet would end on SIGTERM, and a driver whose raylet is gone ends at once, whatever it is writing. Only where
    the kernel ends Ray's processes with the search, as on Linux; elsewhere Ray does that by the process group.
    """
    module: Any = services
    before = module.ConsolePopen
    if detect_fate_sharing_support():
        module.ConsolePopen = _InOwnSession
    try:
        yield
    finally:
        module.ConsolePopen = before
