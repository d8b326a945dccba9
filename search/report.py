"""`report.html`: one file with an interactive plot, every candidate's numbers and plan, and the run."""

import json
import shlex
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

from plotly.offline import get_plotlyjs

from greenfront.config import COST_OF
from greenfront.durable import write_atomic
from greenfront.evaluators import Analysis
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search import view, wording
from greenfront.search.candidate import Candidate
from greenfront.search.details import UNTRAINED, details, finish_words, prediction_error, verdict
from greenfront.search.drawn import Figures
from greenfront.search.front import Front
from greenfront.search.history import History
from greenfront.search.layers_figure import layers_section
from greenfront.search.plan_text import plan_lines
from greenfront.search.report_figure import axes, figure
from greenfront.search.report_hardware import hardware_section
from greenfront.search.report_search import search_section
from greenfront.search.report_template import PAGE, SCRIPT, STYLE
from greenfront.search.significance_figure import analysis_words, significance_figure
from greenfront.search.slack import budgets_to_text
from greenfront.search.table import ordered

COLUMNS = (
    "id", "{metric}, validation", "{metric}, test [95%]", "latency on {target}", "predicted (error)",
    "x faster", "size", "x smaller", "peak memory", "feasible", "tied with", "origin and plan", "export",
)  # fmt: skip


def write_report(
    front: Front,
    path: Path,
    *,
    run_info: Mapping[str, Any],
    profiles: Mapping[str, HardwareProfile] = MappingProxyType({}),
    warnings: Mapping[str, Sequence[str]] = MappingProxyType({}),
    slower: Sequence[str] = (),
    analysis: Analysis | None = None,
    history: History | None = None,
) -> None:
    """Write the report as one HTML file of about 5 MB that needs no network.

    `profiles` and `warnings` are the targets': what predicted their costs, and what was said while the finalists were
    measured; `slower` says which approximations were left out; `analysis`, and the search's `history`, are drawn where
    there are any. `run_info` is shown as nested tables: machine, versions, seed, data, configuration; its key `run` (a
    folder, by default the one of `path`) stands in the title and in the `greenfront export` lines. Whatever comes from
    users (names, plans, run_info) is escaped.
    """
    run = str(run_info.get("run", path.parent))
    everyone = [front.original, *ordered(front, front.target)]
    sections = [
        layers_section(front, profiles),
        search_section(history),
        hardware_section(front, profiles, warnings, slower),
        _significance(analysis),
    ]
    data = {
        "figure": figure(front),
        "figures": {id_: drawn for _, figures in sections for id_, drawn in figures.items()},
        "axes": {target: axes(front, target) for target in front.targets},
        "details": {candidate.id: details(front, candidate) for candidate in everyone},
    }
    page = PAGE.substitute(
        title=escape(f"Greenfront: {run}"),
        style=STYLE,
        summary=_summary(front),
        cost_options=_options(
            {name: wording.axis_title(cost, [front.original.costs()[front.target]]) for name, cost in COST_OF.items()},
            front.axis,
        ),
        target_options=_options({target: target for target in front.targets}, front.target),
        table=_table(front, everyone, run),
        sections="".join(markup for markup, _ in sections),
        info=_info(run_info),
        view=_script_json(data),
        plotly=get_plotlyjs(),
        script=SCRIPT,
    )
    write_atomic(path, page)


def _summary(front: Front) -> str:
    shown, original = view.groups(front), front.original
    own = original.costs()[front.target]
    verified = sum(candidate.verified for candidate in front.candidates)
    budgets = ", ".join(f"{wording.plain(name)} {text}" for name, text in budgets_to_text(front.budgets).items())
    lines = [
        f"{len(front.candidates)} candidates, {verified} of them measured and tested, "
        f"{len(shown.front)} on the front of {', '.join(front.objectives)}. Budgets: {budgets or 'none'}.",
        f"The original: {front.metric} {wording.score(original.score.validation, front.metric)} on validation, "
        f"{wording.latency(own.latency_ms)} on {front.target}, {wording.cost('size_mb', own.size_mb)}.",
    ]
    hidden = view.below(front, view.score_range(front)[0])
    if hidden:
        lines.append(f"{hidden} of them score below the plot's range; a double click on the plot shows all.")
    if not any(candidate.verified and candidate.feasible for candidate in front.candidates):
        lines.append("No verified candidate meets every budget.")
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def _options(words: Mapping[str, str], chosen: str) -> str:
    return "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in words.items()
    )


def _table(front: Front, everyone: Sequence[Candidate], run: str) -> str:
    titles = [title.format(metric=front.metric, target=front.target) for title in COLUMNS]
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    rows = "".join(_row(front, candidate, run) for candidate in everyone)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(front: Front, candidate: Candidate, run: str) -> str:
    target, score = front.target, candidate.score
    own, reference = candidate.costs()[target], front.original.costs()[target]
    measured = candidate.measured(target)
    unmeasured = "predicted (measured elsewhere)" if candidate.verified else "not measured"
    latency = wording.latency(own.latency_ms) if measured else unmeasured
    predicted = candidate.predicted[target].latency_ms.median
    error = f" ({prediction_error(candidate, target)})" if measured else ""
    star = "★ " if candidate.on_front else ""
    approx = "" if measured else "~"
    test = wording.tested(score)
    done = candidate.finished
    longer = [] if done is None else [finish_words(done, front.metric)]
    longer += [UNTRAINED] if candidate.untrained else []
    plan = escape("\n".join([*longer, *plan_lines(candidate.plan)]))
    origin = candidate.origin + (", finished" if candidate.origin and done is not None else "")
    origin += ", untrained" if candidate.origin and candidate.untrained else ""
    command = f"greenfront export {shlex.quote(run)} {candidate.id} --to {candidate.id}"
    cells = [
        ("", escape(star + candidate.id)),
        ("number", wording.score(score.validation, front.metric)),
        ("number", test),
        ("number", latency),
        ("number", f"{wording.number(predicted)} ms{error}"),
        ("number", approx + wording.ratio("latency_ms", reference.value("latency_ms"), own.value("latency_ms"))),
        ("number", approx + wording.cost("size_mb", own.size_mb)),
        ("number", approx + wording.ratio("size_mb", reference.size_mb, own.size_mb)),
        ("number", approx + wording.cost("peak_memory_mb", own.peak_memory_mb)),
        ("wrap", escape(verdict(candidate))),
        ("wrap", escape(", ".join(candidate.tied))),
        ("", f"<details><summary>{escape(origin) or 'plan'}</summary><pre>{plan}</pre></details>"),
        ("", f"<code>{escape(command)}</code>" if candidate.id != front.original.id else ""),
    ]
    kind = "front" if candidate.on_front else "" if measured else "predicted"
    return f'<tr class="{kind}">' + "".join(f'<td class="{style}">{text}</td>' for style, text in cells) + "</tr>"


def _significance(analysis: Analysis | None) -> tuple[str, Figures]:
    if analysis is None:
        return "", {}
    words = escape(analysis_words(analysis))
    markup = f'<h2>Significance</h2><p>{words}</p><div class="figure" id="significance"></div>'
    return markup, {"significance": significance_figure(analysis)}


def _info(info: object) -> str:
    if isinstance(info, Mapping) and info:
        rows = "".join(f"<tr><th>{escape(str(key))}</th><td>{_info(value)}</td></tr>" for key, value in info.items())
        return f'<table class="info">{rows}</table>'
    if isinstance(info, list | tuple) and any(isinstance(value, Mapping | list | tuple) for value in info):
        return "".join(_info(value) for value in info)
    if isinstance(info, list | tuple):
        return escape(", ".join(map(str, info)))
    if isinstance(info, str) and "\n" in info:
        return f"<pre>{escape(info)}</pre>"
    return "" if info is None else escape(str(info))


def _script_json(data: object) -> str:
    """JSON that stays inside its <script> whatever text it holds: no `<`, `>`, `&` and no line separators."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
