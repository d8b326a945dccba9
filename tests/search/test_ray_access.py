"""Who is let to a Ray, and what is said of it."""

import logging
import os
from pathlib import Path

import pytest
from ray._private import ray_constants

from greenfront.config import RayConfig
from greenfront.errors import ConfigError
from greenfront.search import ray_access
from greenfront.search.ray_access import (
    check_dashboard,
    dashboard,
    keep_token_private,
    on_loopback,
    warn_without_token,
)


def test_a_local_ray_is_started_as_where_there_are_no_clusters() -> None:
    before = ray_constants.ENABLE_RAY_CLUSTER
    with on_loopback(True):
        assert not ray_constants.ENABLE_RAY_CLUSTER
    with on_loopback(False):
        assert before == ray_constants.ENABLE_RAY_CLUSTER
    with pytest.raises(KeyError), on_loopback(True):
        raise KeyError
    assert before == ray_constants.ENABLE_RAY_CLUSTER


def test_a_dashboard_is_there_on_request(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    assert dashboard(RayConfig()) == {"include_dashboard": False}
    check_dashboard(RayConfig())
    monkeypatch.setattr(ray_access, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"ray\.dashboard: needs aiohttp_cors.*pip install 'ray\[default\]'"):
        check_dashboard(RayConfig(dashboard="127.0.0.1:8265"))
    monkeypatch.setattr(ray_access, "find_spec", lambda name: name)
    here = RayConfig.model_validate({"dashboard": 8265})
    assert dashboard(here) == {"include_dashboard": True, "dashboard_host": "127.0.0.1", "dashboard_port": 8265}
    check_dashboard(here)
    assert not caplog.records
    check_dashboard(RayConfig(dashboard="0.0.0.0:8265"))
    assert "0.0.0.0:8265: whoever reaches it" in caplog.text


@pytest.mark.parametrize("asks", [True, False])
def test_a_cluster_without_a_token_is_said(
    asks: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ray_access, "asks_for_token", lambda: asks)
    with caplog.at_level(logging.WARNING):
        warn_without_token(RayConfig(address="10.0.0.1:6379"))
    assert ("the Ray cluster at 10.0.0.1:6379 is reached without a token" in caplog.text) is not asks


def test_the_token_is_its_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    keep_token_private()  # there is none
    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("secret")
    os.chmod(token, 0o644)
    keep_token_private()
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_text() == "secret"
