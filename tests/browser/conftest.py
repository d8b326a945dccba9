"""A real browser for the tests of the page; without Playwright and a Chromium they are skipped, with the reason."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenfront.search.front import Front
from greenfront.search.report import write_report
from tests.browser.pages import Browser, Opened, front_with_everything

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install -e '.[browser]'")
    if CHROMIUM is None:
        pytest.skip("needs a Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        # Without its sandbox, as in containers root has none; it opens nothing but what the tests wrote.
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield Browser(launched)
        launched.close()


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Front, Path]:
    """A front with a report that has every part."""
    folder = tmp_path_factory.mktemp("reviews")
    front, extras = front_with_everything()
    path = folder / "report.html"
    write_report(front, path, run_info={"run": str(folder), "seed": 0}, **extras)
    return front, path


@pytest.fixture
def page(browser: Browser, everything: tuple[Front, Path]) -> Iterator[Opened]:
    with browser.opened(everything[1]) as opened:
        yield opened
