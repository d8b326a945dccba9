"""Ctrl-C and SIGTERM end a command in the same way, and are never lost."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

AGAIN_SECONDS = 0.1
"""Enough for a finalizer to end, too little to be noticed."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, SIGTERM raises KeyboardInterrupt as SIGINT does, and one that is raised in a finalizer comes again.

    What is raised inside `__del__` or a weak reference's callback Python prints and forgets. While a model or a data
    set is loaded much is finalized, and every third interrupt was lost there. For the main thread only.
    """
    handler, hook = signal.signal(signal.SIGTERM, _interrupt), sys.unraisablehook

    def once_more(lost: "sys.UnraisableHookArgs") -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            timer = threading.Timer(AGAIN_SECONDS, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
            timer.daemon = True
            timer.start()
        else:
            hook(lost)

    sys.unraisablehook = once_more
    try:
        yield
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGTERM, handler)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
