"""The server of one page: to this machine alone, what is asked for by GET, and nothing beside it."""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest

from greenfront.errors import ConfigError
from greenfront.page_server import PageServer


class Told:
    """A source whose page changes when it is told to."""

    def __init__(self) -> None:
        self.name = "one"
        self.broken = False

    def page(self) -> tuple[str, bytes]:
        if self.broken:
            raise RuntimeError("the folder is gone")
        return self.name, f"<p>{self.name}".encode()

    def state(self) -> Mapping[str, Any]:
        return {"page": self.name}


@contextmanager
def serving(server: PageServer) -> Iterator[PageServer]:
    """In a thread, until the end of the block."""
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def source() -> Told:
    return Told()


@pytest.fixture
def server(source: Told) -> Iterator[PageServer]:
    with serving(PageServer(source)) as running:
        yield running


def asked(
    server: PageServer, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    try:
        connection.request(method, path, headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def test_the_page_comes_again_only_when_it_is_another(server: PageServer, source: Told) -> None:
    answer, page = asked(server, "/")
    assert (answer.status, page) == (200, b"<p>one")
    assert answer.getheader("Content-Type") == "text/html; charset=utf-8"
    tag = {"If-None-Match": str(answer.getheader("ETag"))}
    again, nothing = asked(server, "/", tag)
    assert (again.status, nothing) == (304, b"")
    source.name = "two"
    assert asked(server, "/", tag)[1] == b"<p>two"
    answer, state = asked(server, "/state?now")
    assert json.loads(state) == {"page": "two"}
    assert answer.getheader("Cache-Control") == "no-store"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil", "", "::1"]
)
def test_another_name_of_this_machine_is_refused(host: str, server: PageServer) -> None:
    answer, said = asked(server, "/", {"Host": host})
    assert (answer.status, said) == (403, b"this is served to this machine alone")


@pytest.mark.parametrize("host", ["localhost:9999", "LOCALHOST", "127.0.0.1"])
def test_a_tunnel_may_have_another_port(host: str, server: PageServer) -> None:
    assert asked(server, "/", {"Host": host})[0].status == 200


@pytest.mark.parametrize("path", ["/etc/passwd", "/../front.json", "/x", "/%2e%2e/x", "/state/", "/?x/../../y/.."])
def test_nothing_else_is_there(path: str, server: PageServer) -> None:
    answer, said = asked(server, path)
    assert answer.status == (200 if path.startswith("/?") else 404), said


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_nothing_is_taken(method: str, server: PageServer) -> None:
    assert asked(server, "/", method=method)[0].status == 501


def test_others_may_not_frame_or_read_it(server: PageServer) -> None:
    answer, _ = asked(server, "/")
    assert answer.getheader("Content-Security-Policy") == "frame-ancestors 'none'"
    assert answer.getheader("Cross-Origin-Resource-Policy") == "same-origin"
    assert answer.getheader("Access-Control-Allow-Origin") is None
    assert answer.getheader("Server") == "greenfront"


def test_a_source_that_breaks_is_said_and_the_next_request_is_served(server: PageServer, source: Told) -> None:
    source.broken = True
    answer, said = asked(server, "/")
    assert (answer.status, said) == (500, b"the folder is gone")
    source.broken = False
    assert asked(server, "/")[0].status == 200


def test_it_listens_on_loopback_and_says_when_it_can_not(server: PageServer) -> None:
    host, port = server.server_address[:2]
    assert (host, server.url) == ("127.0.0.1", f"http://127.0.0.1:{port}/")
    with pytest.raises(ConfigError, match=f"--port: {port} can't be used: .*in use"):
        PageServer(Told(), int(port))
    with pytest.raises(ConfigError, match="--port: 70000 can't be used"):
        PageServer(Told(), 70_000)


def test_who_goes_away_without_an_answer_disturbs_nobody(
    server: PageServer, capsys: pytest.CaptureFixture[str]
) -> None:
    for said in (b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"nonsense\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.server_address[1])) as connection:
            connection.sendall(said)
    assert asked(server, "/")[0].status == 200
    assert capsys.readouterr().err == ""
