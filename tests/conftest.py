"""What holds in every room, wherever and however pytest was started."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# So that `tests.hardware_profiles` is found, whether or not pytest was started as a module.
sys.path.append(str(Path(__file__).parents[1]))

# The machine may be busy: a slow example is no failure.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")

# A shell starts what it puts in the background with interrupts ignored, and so would be all that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def measuring_waits_for_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests want no true figures: measurements of this process don't wait for those of other tests, or of a user."""
    with pytest.MonkeyPatch.context() as patch:
        lock = tmp_path_factory.mktemp("lock") / "measure.lock"
        patch.setattr("greenfront.hardware_profiles.lock.lock_path", lambda: lock)
        yield
