"""The report's part on how the search went: its hypervolume, its ladder, which parameters matter, what failed."""

from collections import Counter

from greenfront.search import wording
from greenfront.search.chart import Chart, Section
from greenfront.search.history import History
from greenfront.search.hypervolume_figure import hypervolume_figures, hypervolume_words
from greenfront.search.importance_figure import importance_tables, importance_words
from greenfront.search.markup import chart_place, paragraph, table
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
    lost = [each.result for each in history.tried if each.result.state == "failed"] + list(history.rejected)
    if lost:
        told = Counter(result.state for result in lost)
        words = ", ".join(f"{wording.counted(told[state], 'plan')} {state}" for state in told)
        rows = [(str(r.number), r.plan.id, r.state, r.origin, r.reason) for r in lost]
        head = ("trial", "plan", "what became of it", "origin", "why")
        parts.append(
            f"<h2>Without a score</h2>{paragraph(words + '.')}{table('Trials without a score', 'lost', head, rows)}"
        )
    return Section("".join(parts), charts)
