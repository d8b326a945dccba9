"""The page while it is served: it takes what is new, forgets nothing that was chosen, and doesn't flash."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from greenfront.page_server import PageServer
from greenfront.search.front import Front
from greenfront.search.report import Known, report_page, waiting_page
from tests.browser.pages import Browser, Opened, front_with_everything
from tests.greenfront.test_page_server import serving

SOON = "(text) => document.getElementById('standing').textContent.includes(text)"


class Shown:
    """A run as its watcher tells of it: `at` counts its pages."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.at, self.running = folder, 0, True
        self.front, extras = front_with_everything()
        self.known: Known = {"run_info": {"run": str(folder)}, **extras}  # type: ignore[typeddict-item]

    def grown(self, count: int) -> Front:
        """The front of its first candidates."""
        return replace(self.front, candidates=self.front.candidates[:count])

    def page(self) -> tuple[str, bytes]:
        counts = {1: 12, 2: 24}
        name = f"page {self.at}"
        if self.at not in counts:
            return name, waiting_page("r", {"configuration": "a: b"}, name).encode()
        return name, report_page(self.grown(counts[self.at]), self.folder, self.known, live=name).encode()

    def state(self) -> Mapping[str, Any]:
        return {"page": f"page {self.at}", "running": self.running, "standing": f"at page <{self.at}>."}


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    return Shown(tmp_path)


@pytest.fixture
def server(shown: Shown) -> Iterator[PageServer]:
    with serving(PageServer(shown)) as running:
        yield running


def points(page: Opened) -> int:
    return int(page.page.locator("#points path").count())


def now(page: Opened, at: int) -> None:
    """Ask at once, and wait until the page has the answer."""
    page.page.evaluate("() => ask()")
    page.page.wait_for_function("(name) => view.page === name", arg=f"page {at}")


def test_a_page_that_waits_becomes_the_report(browser: Browser, shown: Shown, server: PageServer) -> None:
    with browser.opened(server.url) as opened:
        opened.page.wait_for_function(SOON, arg="at page <0>.")
        assert "No trial has ended yet" in opened.page.inner_text("header")
        shown.at = 1
        opened.page.wait_for_selector("#named")  # by itself, in two seconds
        opened.page.wait_for_function(SOON, arg="at page <1>.")


def test_what_was_chosen_stays(browser: Browser, shown: Shown, server: PageServer) -> None:
    shown.at = 1
    with browser.opened(server.url, height=700) as opened:
        tab = opened.page
        tab.select_option("#x", "size")
        tab.check("#low")
        tab.fill("#bound-size", "70")
        tab.press("#bound-size", "Enter")
        other = shown.front.candidates[3].id
        tab.select_option("#picked", other)
        tab.focus("[data-budget=size]")
        tab.evaluate("() => { window.marked = byId('plot'); scrollTo(0, 200); touched = -Infinity; }")
        before, top = points(opened), tab.evaluate("() => scrollY")
        shown.at = 2
        now(opened, 2)
        assert points(opened) > before
        assert tab.evaluate("() => window.marked === document.getElementById('plot')")  # the page is still the same one
        assert tab.evaluate("() => scrollY") == top
        assert (tab.input_value("#x"), tab.is_checked("#low")) == ("size", True)
        assert "--size 70MB" in tab.text_content("#answer")
        assert tab.text_content("article h3") == other
        assert tab.evaluate("() => document.activeElement.dataset.budget") == "size"
        assert "24 candidates" in tab.inner_text("header")


def test_other_parts_are_new_as_well_and_stay_as_they_were_left(
    browser: Browser, shown: Shown, server: PageServer
) -> None:
    shown.at = 1
    with browser.opened(server.url) as opened:
        tab = opened.page
        tab.click("#tab-cost")
        tab.fill("#queries", "5")
        rows = tab.locator("#payback tbody tr").count()
        tab.click("#tab-everyone")
        assert tab.locator("#everyone tbody tr").count() == 13
        tab.evaluate("() => { touched = -Infinity; }")
        shown.at = 2
        now(opened, 2)
        assert tab.locator("#everyone tbody tr").count() == 25
        tab.click("#tab-search")
        assert tab.locator("#panel-search .frame svg").count() >= 2
        tab.click("#tab-cost")
        assert tab.locator("#payback tbody tr").count() >= rows
        tab.fill("#queries", "1")
        assert "day" in tab.inner_text("#payback tbody")


def test_nothing_changes_under_a_hand_that_drags(browser: Browser, shown: Shown, server: PageServer) -> None:
    shown.at = 1
    with browser.opened(server.url) as opened:
        tab = opened.page
        box = tab.locator("[data-budget=latency] circle").bounding_box()
        tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        tab.mouse.down()
        shown.at = 2
        tab.evaluate("() => ask()")
        tab.wait_for_function(SOON, arg="at page <2>.")
        assert tab.evaluate("() => view.page") == "page 1"
        tab.mouse.up()
        now(opened, 2)


def test_a_watch_that_ended_is_said_and_the_page_stays(browser: Browser, shown: Shown) -> None:
    shown.at = 1
    with serving(PageServer(shown)) as server, browser.opened(server.url) as opened:
        opened.page.wait_for_function(SOON, arg="at page <1>.")
        opened.page.route("**/*", lambda route: route.abort())
        opened.page.evaluate("() => ask()")
        opened.page.wait_for_function(SOON, arg="doesn't answer any more")
        assert points(opened) > 3
        opened.errors.clear()  # the browser's own words on the refused request


def test_before_anything_is_measured_a_prediction_leads(browser: Browser, shown: Shown, tmp_path: Path) -> None:
    front = replace(
        shown.front,
        candidates=tuple(
            replace(c, verified=False, cost=None, on_front=False, tied=(), score=replace(c.score, test=None))
            for c in shown.front.candidates
        ),
    )
    path = tmp_path / "report.html"
    path.write_text(report_page(front, tmp_path, shown.known))
    with browser.opened(path, width=390) as opened:
        assert opened.page.evaluate("() => document.documentElement.scrollWidth") <= 390
        assert "Nothing is measured yet" in opened.page.inner_text("#answer")
        leaders = opened.page.locator("#points .leading").evaluate_all("all => all.map(each => each.dataset.id)")
        assert opened.named() in leaders
        assert "greenfront export" not in opened.page.inner_text("#answer")
        assert opened.page.locator(".staircase").count() == 1
        assert "not among the finalists" not in opened.page.inner_text("#legend")
    none = replace(front, candidates=())
    path.write_text(report_page(none, tmp_path, shown.known))
    with browser.opened(path) as opened:
        assert "No trial has been scored yet" in opened.page.inner_text("#answer")
