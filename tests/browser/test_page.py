"""The page in a browser: drawn, walked through, compared, saved, on a phone, in the dark, on paper, for everybody."""

import csv
import io
import re
from pathlib import Path

import pytest

from greenfront.config import COST_OF
from greenfront.search import wording
from greenfront.search.front import Front
from tests.browser.pages import Browser, Opened

TABS = ("choose", "everyone", "search", "hardware", "significance", "cost", "run")
PLACE = re.compile(r"translate\(([\d.]+)[ ,]([\d.]+)\)")
SCALE = """() => [...document.querySelectorAll("#points path")].map(point =>
  [point.dataset.id, point.className.baseVal, point.getAttribute("transform")])"""


def points(page: Opened) -> dict[str, tuple[str, float, float]]:
    """Every point: how it is drawn, and where."""
    found = {}
    for id_, style, place in page.page.evaluate(SCALE):
        matched = PLACE.match(place)
        assert matched
        found[id_] = (style.removeprefix("point "), float(matched[1]), float(matched[2]))
    return found


def test_everyone_is_drawn_as_what_it_is(page: Opened, everything: tuple[Front, Path]) -> None:
    front, tab = everything[0], page.page
    assert tab.title() == f"Greenfront: {everything[1].parent}"
    tab.check("#low")
    drawn = points(page)
    assert set(drawn) == {"original", *(candidate.id for candidate in front.candidates)}
    for candidate in front.candidates:
        style = "front" if candidate.on_front else "dominated" if candidate.feasible else "infeasible"
        assert drawn[candidate.id][0] == (style if candidate.verified else "unverified")
    assert drawn["original"][0] == "original"
    assert tab.locator("line.rejected").count() == 2  # at the plot's foot and in the legend
    assert tab.locator(".staircase").count() == 1
    members = {candidate.id for candidate in front.candidates if candidate.on_front}
    named = front.candidate(page.named())
    assert tab.locator("#plot .rings .tied").count() == len(set(named.tied) & set(drawn))
    assert members


def test_axes_are_chosen(page: Opened, everything: tuple[Front, Path]) -> None:
    front, tab = everything[0], page.page
    everyone = (front.original, *front.candidates)
    tab.check("#low")
    for name, cost in COST_OF.items():
        tab.select_option("#x", name)
        drawn = points(page)
        shown = [candidate for candidate in everyone if candidate.id in drawn]
        values = [candidate.costs()["laptop"].value(cost) for candidate in shown]
        places = [drawn[candidate.id][1] for candidate in shown]
        assert sorted(places) == [place for _, place in sorted(zip(values, places, strict=True))]
        assert wording.WORDS[cost].title in tab.text_content("#plot .axes")
        heights = sorted((candidate.score.validation, -drawn[candidate.id][2]) for candidate in shown)
        assert [height for _, height in heights] == sorted(height for _, height in heights)
    tab.select_option("#x", "latency")
    tab.select_option("#y", "test")
    assert set(points(page)) <= {c.id for c in everyone if c.verified}
    assert "accuracy on test" in tab.text_content("#plot .axes")
    assert tab.locator("[data-budget=accuracy_drop]").count() == 0  # the test split decides nothing


def test_a_point_is_looked_at_and_compared(page: Opened, everything: tuple[Front, Path]) -> None:
    front, tab = everything[0], page.page
    drawn = points(page)
    verified = [c for c in front.candidates if c.verified and c.id in drawn]
    one, other = verified[0], verified[-1]
    box = tab.locator("#plot").bounding_box()

    def at(id_: str) -> tuple[float, float]:
        return box["x"] + drawn[id_][1], box["y"] + drawn[id_][2]

    tab.mouse.click(*at(one.id))
    assert tab.text_content("article h3") == one.id
    row = tab.locator("#looked tr", has=tab.locator("th", has_text=re.compile("^latency$")))
    cells = [row.locator("td").nth(n).text_content() for n in range(4)]
    own, reference = one.costs()["laptop"], front.original.costs()["laptop"]
    predicted = one.predicted["laptop"].latency_ms.median
    assert cells == [
        wording.latency(reference.latency_ms), wording.latency(own.latency_ms),
        wording.compared("latency_ms", reference.latency_ms.median, own.latency_ms.median),
        f"{wording.number(predicted)} ms (+4.0%)",
    ]  # fmt: skip
    assert tab.locator("#looked tbody").first.locator("tr").count() == 2 + len(COST_OF)
    grid = tab.locator("article .grid").first
    assert grid.locator("tbody tr").count() == 3
    written = grid.inner_text()
    for settings in one.plan.values():
        if "rank" in settings:
            assert str(settings["rank"]) in written
    history = tab.locator("article .wide").last.inner_text()
    assert f"proposed as trial {front.candidates.index(one)}" in history
    assert "rung of 20 steps" in history
    assert "after 60 steps" in history

    tab.keyboard.down("Shift")
    tab.mouse.click(*at(other.id))
    tab.keyboard.up("Shift")
    assert [tab.locator("article h3").nth(n).text_content() for n in range(2)] == [one.id, other.id]
    assert tab.locator("article").nth(0).bounding_box()["y"] == tab.locator("article").nth(1).bounding_box()["y"]
    assert other.id in tab.locator("#looked thead").first.inner_text()
    tab.select_option("#other", "")
    tab.select_option("#picked", "")
    assert tab.text_content("article h3") == page.named()


def test_points_are_walked_through_by_keys(page: Opened, everything: tuple[Front, Path]) -> None:
    tab, drawn = page.page, points(page)
    across = sorted(drawn, key=lambda id_: drawn[id_][1])
    tab.locator("#points").focus()
    tab.keyboard.press("Home")
    assert tab.get_attribute("#points", "aria-activedescendant") == f"point-{across[0]}"
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    assert tab.get_attribute("#points", "aria-activedescendant") == f"point-{across[2]}"
    label = tab.get_attribute(f"#point-{across[2]}", "aria-label")
    assert label.startswith(f"{across[2]}: accuracy ")
    tab.keyboard.press("Enter")
    assert tab.text_content("article h3") == across[2]
    assert tab.get_attribute(f"#point-{across[2]}", "aria-selected") == "true"


def test_the_export_line_is_copied(page: Opened) -> None:
    line = page.page.locator("#answer code").first.text_content()
    page.page.locator("#answer .command button").first.click()
    page.page.wait_for_selector("text=Copied")
    assert page.page.evaluate("() => navigator.clipboard.readText()") == line
    assert line.startswith("greenfront export ")


def saved(page: Opened, name: str) -> list[list[str]]:
    with page.page.expect_download() as download:
        page.page.click(f"[data-csv='{name}']")
    assert download.value.suggested_filename == f"{name}.csv"
    return list(csv.reader(io.StringIO("\n".join(page.lines_of(download.value)))))


def test_every_figure_is_saved_as_csv(page: Opened, everything: tuple[Front, Path]) -> None:
    front, tab = everything[0], page.page
    head, *rows = saved(page, "front")
    assert len(rows) == 1 + len(front.candidates)
    at = head.index("latency (ms)")
    for row in rows:
        own = front.candidate(row[0]).costs()["laptop"]
        assert float(row[at]) == own.latency_ms.median
        assert float(row[head.index("latency low (ms)")]) == own.latency_ms.low
    for name in TABS:
        tab.click(f"#tab-{name}")
        panel = tab.locator(f"#panel-{name}")
        figures = panel.locator("[data-chart], [data-grid], #plot, .wide")
        inside = panel.locator("[data-chart] .wide, [data-grid] .wide, .answer .wide")
        assert panel.locator("[data-csv]").count() == figures.count() - inside.count()
    tab.click("#tab-search")
    head, *rows = saved(page, "search-0")
    assert head == ["series", "trials", "hypervolume", "note"]
    assert len(rows) == 1 + 2 * len(front.candidates)
    tab.click("#tab-significance")
    assert saved(page, "significance")[1][:2] == ["layer 0", "attention"]


def test_tabs_show_one_part_at_a_time(page: Opened) -> None:
    tab = page.page
    assert [each.get_attribute("id") for each in tab.query_selector_all("[role=tab]")] == [f"tab-{t}" for t in TABS]
    tab.focus("#tab-choose")
    for name in TABS[1:]:
        tab.keyboard.press("ArrowRight")
        assert tab.get_attribute(f"#tab-{name}", "aria-selected") == "true"
        assert [each for each in TABS if tab.is_visible(f"#panel-{each}")] == [name]
    tab.keyboard.press("ArrowRight")
    assert tab.is_visible("#panel-choose")


def test_what_the_search_cost_is_paid_back(page: Opened, everything: tuple[Front, Path]) -> None:
    front, tab = everything[0], page.page
    tab.click("#tab-cost")
    member = front.members[0]
    row = tab.locator("#payback tr", has=tab.locator("th", has_text=member.id)).first
    own, reference = member.costs()["laptop"], front.original.costs()["laptop"]
    kwh = (600 * 2 + 60) / 3600 * 4 / 1000
    queries = kwh / ((reference.energy_j - own.energy_j) / 3.6e6)
    told = row.locator("td").nth(3).text_content()
    assert told.endswith(" queries")
    assert float(told.split()[0].replace(",", "")) == pytest.approx(queries, rel=0.01)
    assert row.locator("td").nth(4).text_content() == "less than a day"
    tab.fill("#queries", "1")
    days = row.locator("td").nth(4).text_content()
    assert float(days.split()[0].replace(",", "")) == pytest.approx(queries, rel=0.01)


def test_a_phone_needs_no_sideways_scrolling(browser: Browser, everything: tuple[Front, Path]) -> None:
    with browser.opened(everything[1], width=360, height=740) as opened:
        for name in TABS:
            opened.page.click(f"#tab-{name}")
            assert opened.page.evaluate("() => document.documentElement.scrollWidth") <= 360, name
        opened.page.click("#tab-choose")
        plot, answer = (opened.page.locator(id_).bounding_box() for id_ in ("#plot", "#answer"))
        assert plot["width"] > 300
        assert answer["y"] > plot["y"] + plot["height"]


def test_it_follows_the_reader_into_the_dark(browser: Browser, everything: tuple[Front, Path]) -> None:
    paper = "() => getComputedStyle(document.body).backgroundColor"
    with browser.opened(everything[1], dark=True) as opened:
        assert opened.page.evaluate(paper) == "rgb(22, 24, 28)"
        opened.page.emulate_media(color_scheme="light")
        assert opened.page.evaluate(paper) == "rgb(255, 255, 255)"
        opened.page.emulate_media(color_scheme="dark", media="print")
        assert opened.page.evaluate(paper) == "rgb(255, 255, 255)"


def test_paper_has_every_part(page: Opened) -> None:
    page.page.emulate_media(media="print")
    page.page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    assert [name for name in TABS if page.page.is_visible(f"#panel-{name}")] == list(TABS)
    charts = page.page.query_selector_all("[data-chart]")
    assert charts
    assert all(chart.query_selector(".frame svg") for chart in charts)
    assert not page.page.is_visible("[role=tablist]")
    page.page.emulate_media(media="screen")
    page.page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    assert [name for name in TABS if page.page.is_visible(f"#panel-{name}")] == ["choose"]


def violations(page: Opened, **options: object) -> list[tuple[str, str, str]]:
    """What axe-core finds with all parts shown at once, as for print: (rule, weight, an element)."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install -e '.[browser]'").Axe()
    page.page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    assert all(page.page.is_visible(f"#panel-{name}") for name in TABS)
    found = axe.run(page.page, options=options).response["violations"]
    return [(each["id"], each["impact"], each["nodes"][0]["html"][:200]) for each in found]


def test_nobody_is_kept_out(page: Opened) -> None:
    """No violation of any weight."""
    assert violations(page) == []


def test_in_the_dark_everything_can_be_read(browser: Browser, everything: tuple[Front, Path]) -> None:
    with browser.opened(everything[1], dark=True) as opened:
        assert violations(opened, runOnly=["color-contrast"]) == []
