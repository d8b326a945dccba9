"""What is written beside the search: in its order, never far behind, with errors that come up."""

import threading

import pytest

from greenfront.search import saving
from greenfront.search.saving import Saving


def blocked(gate: threading.Event) -> None:
    gate.wait()


def fails() -> None:
    raise OSError("disk full")


def test_all_is_done_in_the_order_asked_for() -> None:
    saved, done = Saving(), list[int]()
    for number in range(1000):
        saved.submit(done.append, number)
    saved.close()
    assert done == [*range(1000)]


def test_a_slow_storage_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "MOST", 3)
    saved, gate, done = Saving(), threading.Event(), list[int]()
    saved.submit(blocked, gate)
    for number in range(2):
        saved.submit(done.append, number)
    waits = threading.Thread(target=saved.submit, args=(done.append, 2))
    waits.start()
    waits.join(0.05)
    assert waits.is_alive()  # three are under way
    gate.set()
    waits.join()
    saved.close()
    assert done == [0, 1, 2]


def test_an_error_comes_up_where_it_is_looked_for() -> None:
    saved = Saving()
    saved.submit(fails)
    with pytest.raises(OSError, match="disk full"):
        saved.wait()
