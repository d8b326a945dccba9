"""The report's section on the hardware: every cost, predictions against measurements, and what settings cost."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from greenfront.hardware_profiles import HardwareProfile, PredictionError
from greenfront.search.details import prediction_error
from greenfront.search.drawn import Figures
from greenfront.search.front import Front
from greenfront.search.hardware_figure import curve_figures, predicted_figure
from greenfront.search.profiles import refusals
from greenfront.search.table import cost_rows

PLOT, LEGEND_LINE, FEW_NAMES = 360, 22, 5
"""Pixels of a figure and of a name in its legend; with few names the page's own height will do."""


def hardware_section(
    front: Front,
    profiles: Mapping[str, HardwareProfile],
    warnings: Mapping[str, Sequence[str]],
    slower: Sequence[str] = (),
) -> tuple[str, Figures]:
    """The section's markup and its figures, a part per target.

    `warnings` are those of measuring the finalists, `slower` the lines on what `approximations.left_out` found.
    """
    figures: Figures = {}
    parts = [_part(front, target, profiles.get(target), warnings.get(target, ()), figures) for target in front.targets]
    gone = "".join(f"<li>{escape(line)}</li>" for line in slower)
    rest = f"<h3>Approximations of attention left out</h3><ul>{gone}</ul>" if gone else ""
    return f"<h2>Hardware</h2>{''.join(parts)}{rest}", figures


def _part(front: Front, target: str, profile: HardwareProfile | None, warnings: Sequence[str], figures: Figures) -> str:
    costs = f"<h3>Every cost on {escape(target)}</h3>{_costs(front, target)}"
    if profile is None:
        return costs

    def drawn(figure: dict[str, Any]) -> str:
        id_ = f"hardware-{len(figures)}"
        figures[id_] = figure
        named = sum(trace.get("showlegend", True) for trace in figure["data"])
        height = f' style="height: {PLOT + LEGEND_LINE * named}px"' if named > FEW_NAMES else ""
        return f'<div class="figure" id="{id_}"{height}></div>'

    panels = "".join(
        f"<div><h4>Latency against {escape(key)}</h4>{drawn(figure)}</div>"
        for key, figure in curve_figures(profile).items()
    )
    said = "".join(f"<li>{escape(warning)}</li>" for warning in dict.fromkeys((*profile.warnings, *warnings)))
    return (
        f"{costs}<h3>Predicted and measured latency on {escape(target)}</h3>{_predictions(profile, front)}"
        f"{drawn(predicted_figure(profile, front))}<h3>What a setting costs on {escape(target)}</h3>"
        f"<p>One call of a module, as a share of what it takes unchanged (dashed); a diamond marks the break-even.</p>"
        f'<div class="panels">{panels}</div>'
        + (f"<h3>Said while measuring on {escape(target)}</h3><ul>{said}</ul>" if said else "")
    )


def _costs(front: Front, target: str) -> str:
    members = front.members_on(target)
    ids = (front.original.id, *(member.id for member in members))
    head = "<th></th>" + "".join(f'<th class="number">{escape(id_)}</th>' for id_ in ids)
    body = "".join(
        f'<tr><td class="wrap">{escape(name)}</td>'
        + "".join(f'<td class="number">{escape(cell)}</td>' for cell in cells)
        + "</tr>"
        for name, *cells in cost_rows(front, target, members)
    )
    where = "" if front.original.measured(target) else ": here all of it"
    note = f"<p>In brackets: how many times better than the original. ~ marks what is predicted{where}.</p>"
    return f'{note}<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _predictions(profile: HardwareProfile, front: Front) -> str:
    lines = [f"Predicted costs steer the search, measured ones decide the front. Latency: {_error(profile.error)}."]
    if front.original.measured(profile.target.name):
        lines.append(
            f"The finalists were measured later, in another process: the original itself, predicted as it was "
            f"profiled, is off by {prediction_error(front.original, profile.target.name)} there."
        )
    if profile.large_batch.plans:
        lines.append(f"Large queries of {profile.target.large_batch}: {_error(profile.large_batch.error)}.")
    lines += refusals(profile)
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def _error(error: PredictionError | None) -> str:
    if error is None:
        return "no candidate could be held out to check it"
    return (
        f"off by {error.median:.1%} in the median, {error.p95:.1%} at the 95th percentile and {error.worst:.1%} "
        f"at worst on {error.plans} held-out candidates, each of its latency or at least of a twentieth of the "
        f"original's; Kendall's tau {error.tau:.3f}"
    )
