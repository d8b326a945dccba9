"""One page on this machine's loopback address, and what is new of it; nothing else is served, and nothing is taken."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import urlsplit

from greenfront.errors import ConfigError

LOOPBACK = "127.0.0.1"
HOSTS = (LOOPBACK, "localhost")
"""Names that a browser may have asked for. A page elsewhere whose name was made to mean this machine (DNS rebinding)
has another. The port may be any: of a tunnel it is another."""
HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'", "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
}  # fmt: skip
WAITS_SECONDS = 30
"""For the rest of a request, or the next one on the same connection."""


class Source(Protocol):
    """What is served."""

    def page(self) -> tuple[str, bytes]:
        """What the page is called, another name for every other page, and its HTML."""

    def state(self) -> Mapping[str, Any]:
        """What the page asks for, again and again, to know whether there is another one."""


class PageServer(ThreadingHTTPServer):
    """`/` is the page, with its name as ETag; `/state` the state as JSON."""

    daemon_threads = True

    def __init__(self, source: Source, port: int = 0) -> None:
        """`port`: 0 for one that is free.

        Raises:
            ConfigError: the port can't be had.
        """
        self.source = source
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"--port: {port} can't be used: {error}; without it, one that is free is taken"
            ) from error

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Somebody has gone away before the answer, mostly; whatever it is, the next one is served."""


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    protocol_version = "HTTP/1.1"
    timeout = WAITS_SECONDS

    def do_GET(self) -> None:
        if urlsplit(f"//{self.headers.get('Host', '')}").hostname not in HOSTS:
            self._answer(HTTPStatus.FORBIDDEN, b"this is served to this machine alone", "text/plain")
            return
        try:
            self._route(urlsplit(self.path).path)
        except ConnectionError:
            raise
        except Exception as error:  # of a folder that somebody else writes, or deletes
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, str(error).encode(), "text/plain")

    def _route(self, path: str) -> None:
        if path == "/":
            name, page = self.server.source.page()
            if self.headers.get("If-None-Match") == f'"{name}"':
                self._answer(HTTPStatus.NOT_MODIFIED, b"", "text/html", name)
            else:
                self._answer(HTTPStatus.OK, page, "text/html", name)
        elif path == "/state":
            self._answer(HTTPStatus.OK, json.dumps(self.server.source.state()).encode(), "application/json")
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"there is / and /state", "text/plain")

    def _answer(self, status: HTTPStatus, body: bytes, kind: str, name: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-cache" if name else "no-store")
        if name:
            self.send_header("ETag", f'"{name}"')
        for header, value in HEADERS.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """What the header `Server` says."""
        return "greenfront"

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not said."""
