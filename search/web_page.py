"""Pages that need no network: the files of `page/` put into one, with their data as a block of JSON."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

ANALYSIS_SCRIPTS = ("format", "view", "dom", "grid", "analysis")
REPORT_SCRIPTS = (
    "format", "view", "dom", "state", "budgets", "select", "scale", "chart", "grid", "layers", "plot", "lines",
    "answer", "look", "everyone", "payback", "tabs", "main",
)  # fmt: skip
"""In the order in which they run; what they declare they share."""
WAITING_SCRIPTS = ("format", "view", "dom")
"""Of a page that is served before there is anything to draw."""
LIVE_SCRIPTS = ("live",)
"""Come last in a page that is served: they ask its server what is new."""
STANDING = '<p class="live" id="standing"></p>'
"""Where they say how the run stands."""


def web_page(
    title: str,
    heading: str,
    summary: str,
    body: str,
    view: Mapping[str, Any],
    scripts: Sequence[str],
    *,
    live: bool = False,
) -> str:
    """A whole page; `summary` and `body` are markup, `view` is what its scripts read.

    Its policy (Content-Security-Policy) lets nothing be fetched: the page is honest about working offline, and no name
    in it can load code. One that is served (`live`) may ask its own server, nobody else.
    """
    return Template(page_file("page.html")).substitute(
        title=escape(title),
        heading=escape(heading),
        style=page_file("style.css"),
        summary=STANDING + summary if live else summary,
        connect="; connect-src 'self'" if live else "",
        body=body,
        view=script_json(view),
        script="\n".join(page_file(f"{name}.js") for name in (*scripts, *(LIVE_SCRIPTS if live else ()))),
    )


@cache
def page_file(name: str) -> str:
    """A file that the page is made of, as it is installed beside this module."""
    return (files("greenfront.search") / "page" / name).read_text(encoding="utf-8")


def script_json(data: Mapping[str, Any]) -> str:
    """JSON that stays inside its <script> whatever text it holds: no `<`, `>`, `&`; raises ValueError for a NaN."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
