"""`greenfront measure`: where profiles go, and what is not written over."""

from pathlib import Path

import pytest

from greenfront.config import RunConfig
from greenfront.errors import ConfigError
from greenfront.search.profiling import profile_files
from tests.search.toy_run import toy_config, toy_profile


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    toy_profile().save(tmp_path / "pi.json")


def of(*names: str) -> RunConfig:
    elsewhere = {"name": "pi", "profile": "pi.json", "elsewhere": True}
    return toy_config("run", hardware=[*({"name": name} for name in names), elsewhere])


def test_every_measured_target_gets_a_file_of_its_name(tmp_path: Path) -> None:
    assert profile_files(of("a", "b")) == {"a": Path("a.json"), "b": Path("b.json")}
    (tmp_path / "there").mkdir()
    assert profile_files(of("a", "b"), Path("there")) == {"a": Path("there/a.json"), "b": Path("there/b.json")}
    assert profile_files(of("a"), Path("there/x.json")) == {"a": Path("there/x.json")}


def test_what_is_there_is_not_written_over_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text("weeks of work")
    with pytest.raises(ConfigError, match=r"^b\.json exists; nothing was measured\. --force writes over it"):
        profile_files(of("a", "b"))
    assert profile_files(of("a", "b"), force=True) == {"a": Path("a.json"), "b": Path("b.json")}


def test_places_that_can_not_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--to: must be an existing folder for the targets a, b, but got 'x\.json'"):
        profile_files(of("a", "b"), Path("x.json"))
    with pytest.raises(ConfigError, match=r"^--to: must be a file in an existing folder.*there is no folder nowhere"):
        profile_files(of("a"), Path("nowhere/x.json"))
    (tmp_path / "a.json").mkdir()
    with pytest.raises(ConfigError, match=r"but got 'a\.json': is a folder"):
        profile_files(of("a"), force=True)
    with pytest.raises(ConfigError, match="every target says `elsewhere: true`"):
        profile_files(of())
