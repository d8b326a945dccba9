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


def test_impatience_does_not_stop_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    written = []

    @guarded
    def command() -> None:
        try:
            by_sigint()
            time.sleep(10)
        finally:
            by_sigint()
            by_sigterm()
            time.sleep(0)
            written.append("what is done")

    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 130
    assert written == ["what is done"]


def test_after_a_while_it_ends_what_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenfront.interrupts.PATIENCE_SECONDS", 0.0)
    written = []

    @guarded
    def command() -> None:
        try:
            by_sigint()
            time.sleep(10)
        finally:
            by_sigterm()
            time.sleep(10)
            written.append("never")

    with pytest.raises(typer.Exit):
        command()
    assert written == []


def test_what_a_shell_put_in_the_background_ignores_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    done = []

    @guarded
    def command() -> None:
        by_sigint()
        done.append(True)

    try:
        command()
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == [True]


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
