"""report.html: one file, nothing fetched, everything escaped, every number there."""

import json
import math
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from greenfront.config import COST_OF
from greenfront.search.front import Front
from greenfront.search.report import write_report
from greenfront.spaces.plan import Plan
from tests.search.front_builder import NO_BUDGETS, build_candidate, build_front, build_plan, build_searched_front

EVIL = "</script><img src=x onerror=alert(1)>\"'&"
INFO = {
    "run": "runs/my reviews",
    "seed": 0,
    "machine": {"cpu": EVIL, "flags": ["avx2", "avx512f"]},
    "none": None,
    "yaml": "a:\n  b",
}


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, text by tag, the cells of the first table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.rows: list[list[str]] = []
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside.append(tag)
        if tag == "script":
            self.scripts.append("")
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._inside and self._inside[-1] == "script":
            self.scripts[-1] += data
        elif self.rows and {"td", "th"} & set(self._inside):
            self.rows[-1][-1] += data

    @property
    def view(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.scripts[0])
        return data


def written(front: Front, folder: Path, info: dict[str, Any] | None = None) -> Page:
    path = folder / "report.html"
    write_report(front, path, run_info=INFO if info is None else info)
    assert [file.name for file in folder.iterdir()] == ["report.html"]
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def front() -> Front:
    return build_front(verified=12, unverified=28, targets=("laptop", "phone"), layers=12)


@pytest.fixture(scope="module")
def page(front: Front, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return written(front, tmp_path_factory.mktemp("report"))


def test_it_is_one_small_file_that_fetches_nothing(front: Front, tmp_path: Path) -> None:
    page = written(front, tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 6e6
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "img", "object", "embed", "base")
        assert not {"src", "href", "action", "onerror", "onload"} & set(attributes)
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    assert "$" not in re.sub(r"<script.*?</script>", "", (tmp_path / "report.html").read_text(), flags=re.DOTALL)


def test_the_axes_hold_every_cost_of_every_candidate(front: Front, page: Page) -> None:
    view = page.view
    ids = [trace.get("customdata", []) for trace in view["figure"]["data"]]
    assert sorted(id_ for trace in ids for id_ in trace) == sorted([*(c.id for c in front.candidates), "original"])
    scales = {name: {"parameters": 1e6, "flops": 1e9, "energy": 1e-3}.get(name, 1) for name in COST_OF}
    assert set(view["axes"]) == set(front.targets)
    for target, axes in view["axes"].items():
        assert set(axes) == set(scales)
        for name, axis in axes.items():
            cost = COST_OF[name]
            expected = [[front.candidate(i).costs()[target].value(cost) / scales[name] for i in trace] for trace in ids]
            assert axis["x"] == [pytest.approx(values) for values in expected]
            assert [len(labels) for labels in axis["labels"]] == [len(trace) for trace in ids]
            assert axis["range"][1] > max(value for values in expected for value in values)
    assert view["axes"]["laptop"]["latency"]["line"]
    assert not view["axes"]["phone"]["latency"]["line"]
    assert not view["axes"]["laptop"]["size"]["line"]


def test_budgets_are_lines(page: Page) -> None:
    def notes(target: str, name: str) -> list[str]:
        return [note["text"] for note in page.view["axes"][target][name]["annotations"]]

    assert notes("laptop", "latency") == ["latency budget 60%", "accuracy drop budget 3%"]
    assert notes("laptop", "size") == ["size budget 80 MB", "accuracy drop budget 3%"]
    assert notes("laptop", "flops") == ["accuracy drop budget 3%"]
    places = {target: page.view["axes"][target]["latency"]["shapes"][0]["x0"] for target in ("laptop", "phone")}
    assert places == {"laptop": pytest.approx(12.0), "phone": pytest.approx(6.0)}


def test_hover_tells_everything(front: Front, page: Page) -> None:
    traces = {trace["meta"]: trace for trace in page.view["figure"]["data"]}
    member = front.members[0]
    text = traces["front"]["hovertext"][0]
    own = member.costs()["laptop"]
    assert text.startswith(f"{member.id}: on the front, feasible<br>accuracy: ")
    assert member.score.test is not None
    for part in (
        f"{member.score.validation:.3f} validation, {member.score.test:.3f} [",
        f"{20 / own.latency_ms.median:.2f}x faster (predicted",
        "+4.0%)", "smaller; peak memory", "GFLOPs", "phone: ", "encoder.layer", f"origin: {member.origin}",
    ):  # fmt: skip
        assert part in text
    assert unescape(text).split("<br>") == page.view["details"][member.id].split("\n")
    assert len(text.split("<br>")) <= 28
    assert "predicted, not measured" in traces["unverified"]["hovertext"][0]


def test_the_table_has_a_row_per_candidate_verified_ones_first(front: Front, page: Page) -> None:
    head, original, *rows = page.rows[: len(front.candidates) + 2]
    assert head[:4] == ["id", "accuracy, validation", "accuracy, test [95%]", "latency on laptop"]
    assert original[0] == "original"
    assert original[-1] == ""
    ids = [row[0].removeprefix("★ ") for row in rows]
    assert sorted(ids) == sorted(c.id for c in front.candidates)
    verified = [front.candidate(id_).verified for id_ in ids]
    assert verified == sorted(verified, reverse=True)
    for row, id_ in zip(rows, ids, strict=True):
        candidate = front.candidate(id_)
        assert row[0].startswith("★") == candidate.on_front
        assert row[-1] == f"greenfront export 'runs/my reviews' {id_} --to {id_}"
        assert row[1] == f"{candidate.score.validation:.3f}"
        assert ("not measured" in row[3]) == (not candidate.verified)
        assert ("(+4.0%)" in row[4]) == candidate.verified


def test_the_run_is_told(page: Page) -> None:
    cells = [cell for row in page.rows[-7:] for cell in row]
    assert {"seed", "machine", "cpu", EVIL, "flags", "avx2, avx512f", "a:\n  b"} <= set(cells)


def test_names_from_users_are_text_and_nothing_else(tmp_path: Path) -> None:
    plan = Plan({f"encoder.{EVIL}.dense": {"rank": 8}, "encoder.layer.0.x": {"mode": EVIL}})
    candidate = build_candidate(plan, on_front=True, origin=EVIL, targets=(EVIL,), tied=(EVIL,))
    made = build_front((candidate,), targets=(EVIL,))
    made = Front(made.original, made.candidates, EVIL, made.targets, made.budgets, made.objectives)
    page = written(made, tmp_path, {"run": EVIL, EVIL: [EVIL, {EVIL: EVIL}]})
    assert [tag for tag, _ in page.tags if tag in ("img", "script")] == ["script"] * 3
    assert EVIL in page.view["axes"]
    assert "<img" not in page.view["figure"]["data"][3]["hovertext"][0]
    assert "&lt;img" in page.view["figure"]["data"][3]["hovertext"][0]


@pytest.mark.parametrize(
    "made",
    [
        build_front((), budgets=NO_BUDGETS),
        build_searched_front(),
        build_front((build_candidate(build_plan(1), validation=math.nan, verified=False, feasible=False),)),
        build_front((build_candidate(build_plan(1), feasible=False, missed=("size",)),)),
        build_front((build_candidate(build_plan(1), feasible=False, missed=("size",), on_front=True),)),
    ],
    ids=["empty", "searched", "diverged", "infeasible", "near"],
)
def test_unusual_fronts(made: Front, tmp_path: Path) -> None:
    page = written(made, tmp_path, {})
    assert len(page.rows) >= 2 + len(made.candidates)
    assert "No verified candidate meets every budget." in (tmp_path / "report.html").read_text()
    assert page.view["axes"]["laptop"]["latency"]["range"][1] > 20
