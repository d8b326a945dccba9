"""The report's part on the hardware: every cost, predictions against measurements, and what settings cost."""

from collections.abc import Mapping, Sequence
from html import escape

from greenfront.hardware_profiles import HardwareProfile, PredictionError
from greenfront.search.candidate import Candidate
from greenfront.search.chart import Chart, Section
from greenfront.search.front import Front
from greenfront.search.hardware_figure import curve_figures, predicted_figure
from greenfront.search.markup import chart_place, listed, paragraph, table
from greenfront.search.profiles import refusals
from greenfront.search.table import cost_rows


def hardware_section(
    front: Front,
    profiles: Mapping[str, HardwareProfile],
    warnings: Mapping[str, Sequence[str]],
    slower: Sequence[str] = (),
) -> Section:
    """A part per target.

    `warnings` are those of measuring the finalists, `slower` the lines on what `approximations.left_out` found.
    """
    charts: dict[str, Chart] = {}
    parts = [_part(front, target, profiles.get(target), warnings.get(target, ()), charts) for target in front.targets]
    rest = f"<h2>Approximations of attention left out</h2>{listed(slower)}" if slower else ""
    return Section("".join(parts) + rest, charts)


def _part(
    front: Front, target: str, profile: HardwareProfile | None, warnings: Sequence[str], charts: dict[str, Chart]
) -> str:
    costs = f"<h2>Every cost on {escape(target)}</h2>{_costs(front, target)}"
    if profile is None:
        return costs

    def drawn(chart: Chart) -> str:
        name = f"hardware-{len(charts)}"
        charts[name] = chart
        return chart_place(name)

    predicted = drawn(predicted_figure(profile, front))
    panels = "".join(
        f"<div><h3>Latency against {escape(key)}</h3>{drawn(chart)}</div>"
        for key, chart in curve_figures(profile).items()
    )
    said = list(dict.fromkeys((*profile.warnings, *warnings)))
    return (
        f"{costs}<h2>Predicted and measured latency on {escape(target)}</h2>{_predictions(profile, front)}"
        f"{predicted}<h2>What a setting costs on {escape(target)}</h2>"
        f"<p>One call of a module, as a share of what it takes unchanged (dashed); a diamond marks the break-even.</p>"
        f'<div class="panels">{panels}</div>'
        + (f"<h2>Said while measuring on {escape(target)}</h2>{listed(said)}" if said else "")
    )


def _costs(front: Front, target: str) -> str:
    members = front.members_on(target)
    head = ("cost", front.original.id, *(member.id for member in members))
    where = "" if front.original.measured(target) else ": here all of it"
    note = f"In brackets: how many times better than the original. ~ marks what is predicted{where}."
    name = f"costs-{front.targets.index(target)}"
    return paragraph(note) + table(f"Every cost on {target}", name, head, cost_rows(front, target, members))


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
    return "".join(map(paragraph, lines))


def prediction_error(candidate: Candidate, target: str) -> str:
    """The prediction against the measurement, as a share of the latter: `+4.0%` is too slow a prediction."""
    measured = candidate.costs()[target].latency_ms.median
    return f"{100 * (candidate.predicted[target].latency_ms.median - measured) / measured:+.1f}%"


def _error(error: PredictionError | None) -> str:
    if error is None:
        return "no candidate could be held out to check it"
    return (
        f"off by {error.median:.1%} in the median, {error.p95:.1%} at the 95th percentile and {error.worst:.1%} "
        f"at worst on {error.plans} held-out candidates, each of its latency or at least of a twentieth of the "
        f"original's; Kendall's tau {error.tau:.3f}"
    )
