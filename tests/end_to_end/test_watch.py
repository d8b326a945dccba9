"""`greenfront watch` as a program, and what it refuses."""

import json
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from greenfront.cli import app
from greenfront.page_server import PageServer
from tests.end_to_end.place import Place, refused
from tests.search.watched_run import begun_run, search_until, verified_front


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bytes]]:
    """What the program would serve is asked for once, then Ctrl-C is pressed."""
    found: list[tuple[str, bytes]] = []

    def serve(server: PageServer, poll_interval: float = 0.5) -> None:
        found.append(server.source.page())
        raise KeyboardInterrupt

    monkeypatch.setattr(PageServer, "serve_forever", serve)
    monkeypatch.setattr("os.nice", lambda _: 0)
    return found


def watched(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["watch", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_address_is_said(answers: list[tuple[str, bytes]], tmp_path: Path) -> None:
    run = search_until(tmp_path / "run", 3).path
    said = watched(str(run))
    assert str(run) in said
    assert "http://127.0.0.1:" in said
    assert b"Pareto" in answers[0][1]
    assert watched(str(run), "--quiet").startswith("http://127.0.0.1:")
    document = json.loads(watched(str(run), "--json"))
    assert document["run"] == str(run)
    assert document["url"].startswith("http://127.0.0.1:")


def test_a_browser_is_opened_when_asked(
    answers: list[tuple[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    run = str(begun_run(tmp_path / "run").path)
    watched(run)
    assert opened == []
    url = watched(run, "--open", "--quiet").strip()
    assert opened == [url]


def test_it_is_served_for_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the server's own loop, which the first request ends."""
    run = search_until(tmp_path / "run", 3)
    verified_front(run.path)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    found: list[bytes] = []

    def ask(url: str) -> None:
        for path in ("", "state"):
            with urllib.request.urlopen(url + path, timeout=10) as answer:
                found.append(answer.read())
        server.append(1)

    server: list[int] = []
    monkeypatch.setattr("os.nice", lambda _: 0)
    monkeypatch.setattr("webbrowser.open", ask)
    monkeypatch.setattr(PageServer, "service_actions", lambda _: _interrupt() if server else None)
    watched(str(run.path), "--open")
    page, state = found
    assert b"connect-src 'self'" in page
    assert json.loads(state)["standing"].startswith("finished: 2 of 8")
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_what_is_no_run_is_refused(place: Place) -> None:
    refused("watch", "nowhere", says=["nowhere does not exist"])
    refused("watch", "bert", says=["bert is not a run folder"])


def test_a_run_of_a_newer_version_is_refused(place: Place) -> None:
    run = search_until(place.output, 3)
    verified_front(run.path)
    machine = {"versions": {"greenfront": "99.1.0"}}
    (run.path / "environment.json").write_text(json.dumps({"data": "", "machine": machine}))
    front = json.loads(run.front.read_text())
    run.front.write_text(json.dumps({**front, "version": 3}))
    refused("watch", "run", says=["a newer Greenfront wrote it", "`pip install --upgrade greenfront` reads it"])
    run.front.write_text(json.dumps({**front, "weather": "fine"}))
    refused("watch", "run", says=["unknown weather", "Greenfront 99.1.0 wrote it"])
    run.config.write_text(f"{run.config.read_text()}weather: fine\n")
    refused("watch", "run", says=["weather: unknown key", "Greenfront 99.1.0 wrote it"])


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    run = begun_run(tmp_path / "run")
    with PageServer(None) as server:  # type: ignore[arg-type]
        port = str(server.server_address[1])
        refused("watch", str(run.path), "--port", port, says=[f"--port: {port} can't be used"])
