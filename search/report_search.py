"""The report's part on how the search went: its hypervolume, its ladder, which parameters matter, what failed."""

from greenfront.search.chart import Chart, Section
from greenfront.search.history import History
from greenfront.search.hypervolume_figure import hypervolume_figures, hypervolume_words
from greenfront.search.importance_figure import importance_tables, importance_words
from greenfront.search.markup import chart_place, paragraph
from greenfront.search.report_failures import failures_part, rejected_part
from greenfront.search.rungs_figure import climbers, rungs_figure, rungs_words


def search_section(history: History | None) -> Section:
    """Nothing where nothing was tried."""
    if history is None:
        return Section()
    charts: dict[str, Chart] = {}

    def drawn(chart: Chart) -> str:
        name = f"search-{len(charts)}"
        charts[name] = chart
        return f"<div>{chart_place(name)}</div>"

    def part(title: str, words: str, panels: str) -> str:
        return f'<h2>{title}</h2>{paragraph(words)}<div class="panels">{panels}</div>'

    parts = [part("Hypervolume", hypervolume_words(history), "".join(map(drawn, hypervolume_figures(history))))]
    if history.rungs and any(climbers(history).values()):
        parts.append(part("Promotions", rungs_words(history), drawn(rungs_figure(history))))
    parts.append(part("What matters", importance_words(history), "".join(importance_tables(history))))
    parts += [failures_part(history), rejected_part(history)]
    return Section("".join(parts), charts)
