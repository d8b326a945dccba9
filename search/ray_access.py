"""Who can reach the Ray of a run: this machine alone, and there whoever has the user's token.

Whoever reaches Ray's ports without being asked for a token can run any code as the user who started it.
"""

import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ray._private import ray_constants

from greenfront.config import RayConfig
from greenfront.errors import ConfigError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NEEDED = ("aiohttp_cors", "opencensus", "prometheus_client")
"""What Ray's dashboard imports, and `ray` alone doesn't install."""
_log = logging.getLogger(__name__)


@contextmanager
def on_loopback(local: bool) -> Iterator[None]:
    """A Ray that is started inside listens on loopback alone, as Ray has it by itself on macOS and Windows.

    Elsewhere it listens on every interface, so that other nodes may join; `_node_ip_address` doesn't change that.
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = before and not local
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def check_dashboard(config: RayConfig) -> None:
    """Warn of a dashboard that others reach.

    Raises:
        ConfigError: one is asked for, and Ray's packages for it are not installed.
    """
    if config.dashboard is None:
        return
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigError(f"ray.dashboard: needs {', '.join(missing)}; `pip install 'ray[default]'` installs them")
    if config.dashboard.rpartition(":")[0] not in LOOPBACK:
        _log.warning(
            "Ray's dashboard listens on %s: whoever reaches it, and has Ray's token where Ray asks for one, can run "
            "code here", config.dashboard,
        )  # fmt: skip


def dashboard(config: RayConfig) -> dict[str, Any]:
    """The arguments of `ray.init` for the dashboard of a local Ray: none unless it is asked for."""
    if config.dashboard is None:
        return {"include_dashboard": False}
    host, _, port = config.dashboard.rpartition(":")
    return {"include_dashboard": True, "dashboard_host": host, "dashboard_port": int(port)}


def asks_for_token() -> bool:
    """Whether Ray asks this process, and is asked by it, for a token: by default of a local one, in recent versions."""
    try:
        from ray._raylet import AuthenticationMode, get_authentication_mode  # type: ignore[attr-defined]
    except ImportError:  # an older Ray
        return False
    return bool(get_authentication_mode() == AuthenticationMode.TOKEN)


def keep_token_private() -> None:
    """Take the token that Ray wrote into the user's home from everybody else: Ray leaves it readable."""
    path = Path.home() / ".ray" / "auth_token"
    with suppress(OSError):
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) and mode & 0o077:
            os.chmod(path, 0o600)


def warn_without_token(config: RayConfig) -> None:
    """Say that a cluster asks nobody who they are, where this is so."""
    if not asks_for_token():
        _log.warning(
            "the Ray cluster at %s is reached without a token: whoever reaches its ports, too, can run code on its "
            "nodes and on this machine; RAY_AUTH_MODE=token, there and here, makes Ray ask for one",
            config.address,
        )
