"""`report.html`: one file in which a candidate is chosen by moving budgets, and the whole run is told."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Required, TypedDict, Unpack

from greenfront.durable import write_atomic
from greenfront.evaluators import Analysis, Significance
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search import wording
from greenfront.search.chart import Section
from greenfront.search.front import Front
from greenfront.search.history import History
from greenfront.search.markup import paragraph
from greenfront.search.report_hardware import hardware_section
from greenfront.search.report_search import search_section
from greenfront.search.report_view import front_view
from greenfront.search.settings_figure import settings_section
from greenfront.search.significance_figure import significance_section
from greenfront.search.slack import budgets_to_text
from greenfront.search.spent import Spent, page_values, spent_section
from greenfront.search.web_page import REPORT_SCRIPTS, WAITING_SCRIPTS, page_file, web_page

WAITING = "No trial has ended yet. The report is here as soon as one has."


class Known(TypedDict, total=False):
    """What is known of a run beside its front; parts of the page of which nothing is known are left out.

    `profiles` and `warnings` are the targets': what predicted their costs, and what was said while the finalists were
    measured; `slower` says which approximations were left out. `run_info` is shown as nested tables: machine, versions,
    seed, data, configuration; its key `run` (a folder, by default the one where the page lies) stands in the title and
    in the `greenfront export` lines.
    """

    run_info: Required[Mapping[str, Any]]
    profiles: Mapping[str, HardwareProfile]
    warnings: Mapping[str, Sequence[str]]
    slower: Sequence[str]
    analysis: Analysis | None
    history: History | None
    losses: Significance | None
    spent: Spent | None


def write_report(front: Front, path: Path, **known: Unpack[Known]) -> None:
    """Write the report as one HTML file that needs no network: 0.3 MB, and about 1 kB more a trial."""
    write_atomic(path, report_page(front, path.parent, known))


def report_page(front: Front, folder: Path, known: Known, live: str | None = None) -> str:
    """The report of a run in `folder`. Whatever comes from users (names, plans, run_info) is text, never markup.

    `live`: what the page is called among those that are served of the run; such a one asks for the next, and has all
    its parts from the beginning.
    """
    profiles, history, spent = known.get("profiles", {}), known.get("history"), known.get("spent")
    run_info = known["run_info"]
    run = str(run_info.get("run", folder))
    slower, warnings = known.get("slower", ()), known.get("warnings", {})
    losses, profile = known.get("losses"), profiles.get(front.target)
    sections = {
        "search": ("The search", search_section(history)),
        "hardware": ("Hardware", hardware_section(front, profiles, warnings, slower)),
        "significance": ("Significance", _significance(known.get("analysis"), losses, profile)),
        "cost": ("What it cost", Section(spent_section(spent))),
        "run": ("The run", Section(_info(run_info))),
    }
    unknown = "" if live is None else paragraph("Nothing is known of this yet.")
    parts = {
        "choose": ("Choose", page_file("choose.html")),
        "everyone": ("All candidates", '<div id="everyone"></div>'),
        **{
            name: (title, section.markup or unknown)
            for name, (title, section) in sections.items()
            if section.markup or unknown
        },
    }
    found = [section for _, section in sections.values()]
    view = {
        **front_view(front, run, folder, profiles, history),
        "charts": {name: chart.to_dict() for section in found for name, chart in section.charts.items()},
        "grids": {name: grid.to_dict() for section in found for name, grid in section.grids.items()},
        "spent": page_values(spent),
        **({} if live is None else {"page": live}),
    }
    title = f"Greenfront: {run}"
    return web_page(title, title, _summary(front), _tabs(parts), view, REPORT_SCRIPTS, live=live is not None)


def waiting_page(run: str, info: Mapping[str, Any], live: str, said: str = WAITING) -> str:
    """What is served of a run of which nothing can be drawn yet, as `said`; `live` as of `report_page`."""
    title = f"Greenfront: {run}"
    summary = paragraph(said)
    view = {"run": run, "page": live}
    return web_page(title, title, summary, f"<main>{_info(info)}</main>", view, WAITING_SCRIPTS, live=True)


def _tabs(parts: Mapping[str, tuple[str, str]]) -> str:
    """A tab and a panel for every part (title, markup), of which the page shows one at a time."""
    tabs = "".join(
        f'<button type="button" role="tab" id="tab-{name}" aria-controls="panel-{name}">{title}</button>'
        for name, (title, _) in parts.items()
    )
    panels = "".join(
        f'<section role="tabpanel" id="panel-{name}" aria-labelledby="tab-{name}" tabindex="-1">{markup}</section>'
        for name, (_, markup) in parts.items()
    )
    return f'<main><div role="tablist" aria-label="Parts of the report">{tabs}</div>{panels}</main>'


def _significance(analysis: Analysis | None, losses: Significance | None, profile: HardwareProfile | None) -> Section:
    walk, settings = significance_section(analysis), settings_section(losses, profile)
    return Section(walk.markup + settings.markup, grids=walk.grids | settings.grids)


def _summary(front: Front) -> str:
    original = front.original
    own = original.costs()[front.target]
    verified = sum(candidate.verified for candidate in front.candidates)
    budgets = ", ".join(f"{wording.plain(name)} {text}" for name, text in budgets_to_text(front.budgets).items())
    lines = [
        f"{len(front.candidates)} candidates, {verified} of them measured and tested, "
        f"{len(front.members)} on the front of {', '.join(front.objectives)}. Budgets: {budgets or 'none'}. "
        f"The original: {front.metric} {wording.score(original.score.validation, front.metric)} on validation, "
        f"{wording.latency(own.latency_ms)} on {front.target}, {wording.cost('size_mb', own.size_mb)}.",
    ]
    if not verified:
        lines.append("Nothing is measured yet: costs are predicted.")
    elif not any(candidate.verified and candidate.feasible for candidate in front.candidates):
        lines.append("No verified candidate meets every budget.")
    return "".join(map(paragraph, lines))


def _info(info: object) -> str:
    if isinstance(info, Mapping) and info:
        rows = "".join(
            f'<tr><th scope="row">{escape(str(key))}</th><td>{_info(value)}</td></tr>' for key, value in info.items()
        )
        return f'<table class="info">{rows}</table>'
    if isinstance(info, list | tuple) and any(isinstance(value, Mapping | list | tuple) for value in info):
        return "".join(_info(value) for value in info)
    if isinstance(info, list | tuple):
        return escape(", ".join(map(str, info)))
    if isinstance(info, str) and "\n" in info:
        return f"<pre>{escape(info)}</pre>"
    return "" if info is None else escape(str(info))
