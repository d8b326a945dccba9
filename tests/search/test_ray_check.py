"""What `greenfront doctor` says of a Ray that doesn't start or answer; a search's tests show one that does."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import ray
from ray.exceptions import GetTimeoutError

from greenfront.config import RayConfig
from greenfront.errors import RunError
from greenfront.search import ray_check


@contextmanager
def nothing(_: RayConfig, workers: int) -> Iterator[None]:
    assert workers == 1
    yield


class Answers:
    """What `ray.get` does."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def __call__(self, _: object, timeout: float) -> object:
        assert timeout > 0
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (42, "fine", "a worker answered after"),
        (41, "mend", "a worker answered 41 instead of 42"),
        (GetTimeoutError("late"), "mend", "no worker answered in"),
        (RunError("ray.address: ...\nno port is free"), "mend", "it doesn't start: no port is free"),
    ],
)
def test_what_ray_does(answer: object, state: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Task:
        @staticmethod
        def remote(_: int) -> None:
            return None

    monkeypatch.setattr(ray_check, "running_ray", nothing)
    monkeypatch.setattr(ray, "remote", lambda _: Task)
    monkeypatch.setattr(ray, "get", Answers(answer))
    checked = ray_check.check_ray()
    assert checked.state == state
    assert words in checked.found
