"""Pieces of HTML that the report's parts are made of; whatever comes in as text is escaped."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Bar:
    """A share as a bar and as a number."""

    share: float


def paragraph(text: str) -> str:
    """One of text, nothing of none."""
    return f"<p>{escape(text)}</p>" if text else ""


def listed(lines: Iterable[str]) -> str:
    """A list with dots."""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def chart_place(name: str) -> str:
    """Where the page draws the chart of this name."""
    return f'<figure data-chart="{escape(name)}"></figure>'


def grid_place(name: str) -> str:
    """Where the page draws the grid of this name."""
    return f'<figure data-grid="{escape(name)}"></figure>'


def table(title: str, name: str, head: Sequence[str], rows: Iterable[Sequence[str | Bar]]) -> str:
    """A table, the first cell of a row its header; the page offers it as `name`.csv."""
    heads = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(f"<tr>{''.join(map(_cell, row, range(len(row))))}</tr>" for row in rows)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(title)}" data-table="{escape(name)}"><table>'
        f'<caption class="unseen">{escape(title)}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody>'
        f"</table></div>"
    )


def _cell(content: str | Bar, place: int) -> str:
    if isinstance(content, Bar):
        wide = 100 * min(max(content.share, 0.0), 1.0)
        return (
            f'<td><span class="bars"><span class="bar" style="width:{wide:.1f}%"></span>{content.share:.1%}</span></td>'
        )
    if place == 0:
        return f'<th scope="row">{escape(content)}</th>'
    number = content[:1].isdigit() or content[:1] in ("~", "+", "-")
    return f"<td{' class=number' if number else ''}>{escape(content)}</td>"
