"""Ctrl-C and SIGTERM end a command in the same way, and are never lost; further ones don't end how it ends."""

import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_SECONDS = 10.0
"""So long after an interrupt the next ones count for nothing: who is impatient would leave processes behind, and what
is done unwritten. After that they are as good as the first."""
AGAIN_SECONDS = 0.1
"""Enough for a finalizer to end, too little to be noticed."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, SIGTERM raises KeyboardInterrupt as SIGINT does, once, and one that is raised in a finalizer comes again.

    What is raised inside `__del__` or a weak reference's callback Python prints and forgets. While a model or a data
    set is loaded much is finalized, and every third interrupt was lost there. For the main thread only.
    """
    last = -math.inf

    def interrupt(*_: object) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PATIENCE_SECONDS:
            last = now
            raise KeyboardInterrupt

    # What a shell has started in the background ignores Ctrl-C, which is for others then.
    heeded = [each for each in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(each) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heeded}
    hook = sys.unraisablehook

    def once_more(lost: "sys.UnraisableHookArgs") -> None:
        nonlocal last
        if issubclass(lost.exc_type, KeyboardInterrupt):
            last = -math.inf
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
        for number, handler in before.items():
            signal.signal(number, handler)
