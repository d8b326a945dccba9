"""The site builds without a warning, holds what is generated, and asks no other machine for anything."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenfront.cli import app
from greenfront.config import RunConfig, Section
from greenfront.template import section_of
from tests.docs.pages import DOCS, ROOT

pytest.importorskip("sphinx", reason="needs Sphinx: pip install -e '.[docs]'")
pytest.importorskip("furo", reason="needs Furo: pip install -e '.[docs]'")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-W", "ignore", "-m", "sphinx", "-W", "--keep-going", "-q"]
    ran = subprocess.run([*command, str(DOCS), str(folder)], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder


def keys(section: type[Section]) -> Iterator[str]:
    """Every key of a section and of those inside it."""
    for name, info in section.model_fields.items():
        yield name
        inner = section_of(info)
        yield from keys(inner) if inner is not None else ()


def test_every_page_is_there(site: Path) -> None:
    for page in DOCS.rglob("*.md"):
        assert (site / page.relative_to(DOCS).with_suffix(".html")).is_file()


def test_every_key_and_every_command_is_explained(site: Path) -> None:
    text = (site / "reference" / "configuration.html").read_text(encoding="utf-8")
    assert [key for key in set(keys(RunConfig)) if not re.search(rf">({key}|[\w.]+\.{key})<", text)] == []
    text = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    said = re.sub(r"<[^>]+>", "", text)
    names = [command.callback.__name__ for command in app.registered_commands if command.callback is not None]
    assert len(names) >= 9
    assert [name for name in names if f"greenfront {name} " not in said] == []


def test_nothing_is_fetched(site: Path) -> None:
    fetched = re.compile(r"""<(?:script|img|iframe)[^>]+src="https?://|<link[^>]+href="https?://""")
    for page in site.rglob("*.html"):
        assert not fetched.search(page.read_text(encoding="utf-8")), page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"""(?:@import|url\()\s*["']?https?://""", sheet.read_text(encoding="utf-8")), sheet
