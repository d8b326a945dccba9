"""A PostgreSQL server of the test's own, which can be stopped and started again."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FOUND = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
PROGRAMS = FOUND[-1].parent if FOUND else Path(shutil.which("pg_ctl") or "missing").parent
MISSING = (
    "PostgreSQL's server programs (initdb, pg_ctl) are not installed" if not (PROGRAMS / "initdb").exists() else
    "its driver is not installed: greenfront[postgresql]" if find_spec("psycopg") is None else ""
)  # fmt: skip
"""Why no server can run here."""


class Server:
    """Listens on a port of loopback; whoever connects is trusted."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="greenfront-postgres-"))
        # PostgreSQL refuses to be run by root.
        self._user: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        if self._user:
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._run("initdb", "-D", "data", "-U", "postgres", "-A", "trust", "--no-sync")
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Answers once this returns."""
        options = (
            f"-p {self._port} -c fsync=off -c listen_addresses=127.0.0.1 -c unix_socket_directories='{self.folder}'"
        )
        self._run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")

    def stop(self) -> None:
        """At once, with connections open."""
        self._run("pg_ctl", "-D", "data", "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [PROGRAMS / program, *arguments], cwd=self.folder, check=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, **self._user,
        )  # fmt: skip


@contextmanager
def running() -> Iterator[Server]:
    """A server for the time of the context."""
    server = Server()
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder)
