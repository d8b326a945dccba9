"""Whether a Ray cluster answers at an address: known within half a minute, and without hanging."""

import os
import re
import socket
import subprocess
import sys

from greenfront.errors import RunError

KNOCK_SECONDS = 8.0
ANSWER_SECONDS = 25.0
"""Joining a cluster takes a new process 3 s here, where nothing else runs."""
_JOIN = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR'); ray.shutdown()"


def knock(address: str) -> None:
    """Raise OSError unless somebody answers at HOST:PORT; Ray finds out itself what else an address can be."""
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", "")
    found = re.fullmatch(r"(?:ray://)?\[?([^/\[\]]+)\]?:(\d+)", address)
    if found is not None:
        socket.create_connection((found[1], int(found[2])), KNOCK_SECONDS).close()


def join_elsewhere(address: str) -> None:
    """Join the cluster in a process that can be ended: where something else than Ray listens, Ray goes on trying for
    minutes, and then ends its process. Ray's client, for ray://, gives up by itself.

    Raises:
        RunError: with what was tried.
    """
    if address.startswith("ray://"):
        # 5, 10 and 10 s: Ray's own last try takes 20. It reads this when its client is first used.
        os.environ.setdefault("RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S", "10")
        return
    try:
        subprocess.run([sys.executable, "-P", "-c", _JOIN, address], timeout=ANSWER_SECONDS, capture_output=True)
    except subprocess.TimeoutExpired as error:
        raise RunError(
            f"ray.address: a connection to {address!r} opens, but no Ray cluster answered there in "
            f"{ANSWER_SECONDS:.0f} s; `ray status --address {address}` tells more. HOST:PORT takes the port of "
            "`ray start --head` (6379), ray://HOST:PORT that of its client server (10001)"
        ) from error
