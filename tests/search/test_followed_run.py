"""A run as a page that follows it: begun, at work, interrupted, going on, measured, damaged."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from greenfront.console import ConsoleReporter
from greenfront.errors import RunError
from greenfront.search import RunFolder, followed_run
from greenfront.search.followed import FollowedJournal, FollowedLog
from greenfront.search.followed_run import FollowedRun
from greenfront.search.journal import results_in
from tests.search.watched_run import begun_run, search_until, verified_front


def view_of(page: bytes) -> dict[str, Any]:
    """The data of a page."""
    inside = page.decode().split('<script type="application/json" id="view">')[1].split("</script>")[0]
    found: dict[str, Any] = json.loads(inside)
    return found


def files(run: RunFolder) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def never_resting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_run, "RESTS", 0)


def test_a_run_that_has_only_begun_says_so_and_what_it_does(tmp_path: Path) -> None:
    run = begun_run(tmp_path / "run")
    followed = FollowedRun(run)
    name, page = followed.page()
    assert b"No trial has ended yet" in page
    assert view_of(page) == {"run": str(run.path), "page": name}
    assert "no process is searching here: 0 of 8 trials" in followed.state()["standing"]
    with run.alone(), ConsoleReporter(Console(quiet=True), run.log) as report:
        report.stage("Measuring <everything>")
        state = followed.state()
    assert (state["page"], state["running"]) == (name, True)
    assert " is searching here: 0 of 8 trials have ended. Measuring <everything>, since " in state["standing"]


def test_the_page_grows_with_the_search_and_nothing_is_written(tmp_path: Path) -> None:
    run = search_until(tmp_path / "run", 3)
    before = files(run)
    followed = FollowedRun(run)
    name, page = followed.page()
    view = view_of(page)
    scored = {result.plan.id for result in results_in(run.study) if result.state == "scored"}
    assert {candidate["id"] for candidate in view["candidates"]} == scored
    assert len(scored) == 2  # the third was under way
    assert view["original"]["validation"] == 1.0
    leaders = {candidate["id"] for candidate in view["candidates"] if candidate["fronts"] == ["toy"]}
    assert leaders
    assert not any(candidate["verified"] for candidate in view["candidates"])
    assert "window: no faster" in page.decode()
    assert followed.page() == (name, page)
    assert files(run) == before

    search_until(run.path, 99)
    state = followed.state()
    assert state["page"] != name
    later, page = followed.page()
    assert later == state["page"]
    assert len(view_of(page)["candidates"]) == 8
    assert "8 of 8 trials have ended" in state["standing"]


def test_what_was_measured_stays_when_a_search_goes_on(tmp_path: Path) -> None:
    run = search_until(tmp_path / "run", 3)
    front = verified_front(run.path)
    followed = FollowedRun(run)
    view = view_of(followed.page()[1])
    assert [candidate["id"] for candidate in view["candidates"]] == [candidate.id for candidate in front.candidates]
    assert followed.state()["standing"] == "finished: 2 of 8 trials have ended."
    search_until(run.path, 99)
    now = view_of(followed.page()[1])
    assert len(now["candidates"]) == 8
    costs = {candidate["id"]: candidate["cost"] for candidate in view["candidates"] if candidate["verified"]}
    assert len(costs) == 2
    assert {c["id"]: c["cost"] for c in now["candidates"] if c["verified"]} == costs
    assert now["original"]["cost"] == view["original"]["cost"]


def test_while_a_file_can_not_be_read_the_last_page_stays(tmp_path: Path) -> None:
    run = search_until(tmp_path / "run", 3)
    verified_front(run.path)
    followed = FollowedRun(run)
    name, page = followed.page()
    whole = run.front.read_text()
    run.front.write_text(whole[:100])
    assert followed.state()["page"] != name
    assert followed.page() == (name, page)
    assert "the page is not up to date: " in followed.state()["standing"]
    run.front.write_text(whole.replace('"accuracy"', '"accuracy" '))
    assert followed.page()[0] not in ("", name)
    assert "not up to date" not in followed.state()["standing"]
    run.front.write_text("{}")
    with pytest.raises(RunError, match="not a front of this version"):
        FollowedRun(run)


def test_a_search_that_an_earlier_version_began(tmp_path: Path) -> None:
    run = search_until(tmp_path / "run", 3)
    lines = run.study.read_text().splitlines(keepends=True)
    run.study.write_text("".join(line for line in lines if '"outset"' not in line))
    assert b"An earlier version of Greenfront began this search" in FollowedRun(run).page()[1]
    front = verified_front(run.path)
    view = view_of(FollowedRun(run).page()[1])
    assert [candidate["id"] for candidate in view["candidates"]] == [candidate.id for candidate in front.candidates]


def test_a_page_that_takes_long_is_built_seldom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_run, "RESTS", 1e9)
    run = search_until(tmp_path / "run", 2)
    followed = FollowedRun(run)
    name, _ = followed.page()
    search_until(run.path, 99)
    assert followed.state()["page"] == name
    assert followed.page()[0] == name


def test_a_journal_is_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = search_until(tmp_path / "run", 3)
    journal = FollowedJournal(run.study)
    assert FollowedJournal(tmp_path / "none").read() == ([], {})
    assert [result for _, result in journal.read()[0]] == results_in(run.study)
    half = run.study.read_bytes()
    search_until(run.path, 99)
    with monkeypatch.context() as patched:  # what is known already isn't read again
        patched.setattr("greenfront.search.followed.open_journal", None)
        assert [result for _, result in journal.read()[0]] == results_in(run.study)
    run.study.write_bytes(half)
    assert len(journal.read()[0]) == len(results_in(run.study)) < 8
    with run.study.open("ab") as file:
        file.write(b'{"half of a li')
    assert [result for _, result in journal.read()[0]] == results_in(run.study)
    with run.study.open("ab") as file:
        file.write(b"ne\n{}\n")
    with pytest.raises(RunError, match="can't be read; restore the file, or cut it there"):
        journal.read()


def test_a_log_tells_the_stage_at_work(tmp_path: Path) -> None:
    log = FollowedLog(tmp_path / "log.txt")
    assert str(log.stage()) == ""
    with ConsoleReporter(Console(quiet=True), tmp_path / "log.txt") as report:
        report.stage("Searching: by steps")
        assert str(log.stage()).startswith("Searching: by steps, since ")
        report.advance(1, 4, {"best": "none"})
        report.note("Searching: a note, 3 of 4 ...s")
        assert log.stage().progress == "1 of 4"
        with (tmp_path / "log.txt").open("a") as file:
            file.write("2026-01-01 00:00:00 3 of")
            file.flush()
            assert log.stage().progress == "1 of 4"
            file.write(" 4, about 2 min left; best x\n")
        assert log.stage().progress == "3 of 4, about 2 min left"
    assert str(log.stage()) == ""
    (tmp_path / "log.txt").write_text("2026-01-01 00:00:01 Begun anew ...\n")
    assert str(log.stage()) == "Begun anew, since 00:00:01"
