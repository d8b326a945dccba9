"""Measurements that are real but short, for tests of what is done with them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from greenfront.hardware_profiles import processes


@contextmanager
def few_processes() -> Iterator[None]:
    """A first process and one further measure candidates, and none is repeated because of what else runs here.

    How many there are otherwise, and which are repeated, `hardware_profiles/test_processes.py` tests with stand-ins.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "FEWEST", 2)
        patch.setattr(processes, "FEWEST_AGAIN", 1)
        patch.setattr(processes, "AGAIN_SECONDS", 0.1)
        patch.setattr(processes, "waiting_refusal", lambda _target, _waited: "")
        yield
