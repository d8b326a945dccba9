"""An interrupt ends a command with 130, wherever it arrives."""

import os
import signal
import sys
import time
from collections.abc import Callable

import pytest
import typer

from greenfront.cli import guarded


class Finalized:
    """Is interrupted while it goes, where Python forgets what is raised."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)
        time.sleep(0)


def in_a_finalizer() -> None:
    Finalized()


def by_sigterm() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def by_sigint() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("interrupt", [by_sigint, by_sigterm, in_a_finalizer])
def test_it_ends_with_130(interrupt: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM), sys.unraisablehook

    @guarded
    def command() -> None:
        interrupt()
        time.sleep(10)
        pytest.fail("it was not interrupted")

    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == "interrupted; what is done is kept\n"
    assert (signal.getsignal(signal.SIGTERM), sys.unraisablehook) == before


def test_what_else_a_finalizer_raises_is_not_swallowed() -> None:
    seen: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", lambda lost: seen.append(lost.exc_type))

        @guarded
        def command() -> None:
            class Failing:
                def __del__(self) -> None:
                    raise ValueError

            Failing()

        command()
    assert seen == [ValueError]
