"""The report's section on how the search went: its hypervolume, its ladder, and which parameters matter."""

from html import escape

from greenfront.search.drawn import Figures
from greenfront.search.history import History
from greenfront.search.hypervolume_figure import hypervolume_figures, hypervolume_words
from greenfront.search.importance_figure import importance_figures, importance_words
from greenfront.search.report_failures import failures_part
from greenfront.search.rungs_figure import climbers, rungs_figure, rungs_words


def search_section(history: History | None) -> tuple[str, Figures]:
    """The section's markup, and its figures by the ids of their elements; nothing where nothing was tried."""
    if history is None:
        return "", {}
    figures: Figures = {}

    def drawn(figure: dict[str, object], height: int = 0) -> str:
        id_ = f"search-{len(figures)}"
        figures[id_] = figure
        style = f' style="height: {height}px"' if height else ""
        return f'<div><div class="figure" id="{id_}"{style}></div></div>'

    def part(title: str, words: str, panels: str) -> str:
        return f'<h3>{title}</h3><p>{escape(words)}</p><div class="panels">{panels}</div>'

    volumes = "".join(map(drawn, hypervolume_figures(history)))
    parts = [part("Hypervolume", hypervolume_words(history), volumes)]
    if history.rungs and any(climbers(history).values()):
        parts.append(part("Promotions", rungs_words(history), drawn(rungs_figure(history))))
    parts.append(failures_part(history))
    bars = "".join(drawn(figure, height) for figure, height in importance_figures(history))
    parts.append(part("What matters", importance_words(history), bars))
    return f"<h2>The search</h2>{''.join(parts)}", figures
