"""report.html: one file, nothing fetched, everything escaped, every number there."""

import json
import math
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState, create_trial

from greenfront.config import COST_OF
from greenfront.search import web_page
from greenfront.search.front import Front
from greenfront.search.history import History, Tried
from greenfront.search.journal import Result, RungScore
from greenfront.search.report import write_report
from greenfront.spaces.plan import Plan
from tests.search.front_builder import NO_BUDGETS, build_candidate, build_front, build_plan, build_searched_front
from tests.search.toy_run import toy_profile, toy_space

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
    assert (tmp_path / "report.html").stat().st_size < 0.4e6
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "img", "object", "embed", "base")
        assert not {"src", "href", "action", "onerror", "onload"} & set(attributes)
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_every_script_and_style_of_the_page_is_used() -> None:
    folder = Path(web_page.__file__).with_name("page")
    scripts = {f"{name}.js" for name in (*web_page.REPORT_SCRIPTS, *web_page.ANALYSIS_SCRIPTS, *web_page.LIVE_SCRIPTS)}
    assert {path.name for path in folder.iterdir()} == scripts | {"page.html", "choose.html", "style.css"}


def test_the_page_has_every_cost_of_every_candidate(front: Front, page: Page) -> None:
    view = page.view
    assert [cost["name"] for cost in view["costs"]] == list(COST_OF)
    assert [cost["place"] for cost in view["costs"]] == list(range(len(COST_OF)))
    assert [each["id"] for each in view["candidates"]] == [candidate.id for candidate in front.candidates]
    for told in (view["original"], *view["candidates"]):
        candidate = front.candidate(told["id"])
        assert (told["cost"] is None) == (not candidate.verified)
        for given, costs in ((told["cost"], candidate.cost), (told["predicted"], candidate.predicted)):
            for target, cost in (costs or {}).items():
                ends = [cost.latency_ms.low, cost.latency_ms.high]
                assert given[target] == [*(cost.value(name) for name in COST_OF.values()), *ends]
        assert told["fronts"] == [target for target in front.targets if candidate in front.members_on(target)]
        assert (told["validation"], told["test"]) == (candidate.score.validation, candidate.score.test)


def test_the_page_has_the_question_as_it_was_asked(page: Page) -> None:
    assert page.view["budgets"] == {
        "latency": {"value": 0.6, "relative": True, "text": "60%"},
        "size": {"value": 80.0, "relative": False, "text": "80 MB"},
        "accuracy_drop": {"value": 0.03, "relative": True, "text": "3%"},
    }
    assert (page.view["axis"], page.view["targets"]) == ("latency", ["laptop", "phone"])
    assert page.view["run"] == "runs/my reviews"


def test_every_tab_has_its_panel_and_what_is_not_known_has_none(page: Page) -> None:
    tabs = [a["aria-controls"] for _, a in page.tags if a.get("role") == "tab"]
    panels = [a["id"] for _, a in page.tags if a.get("role") == "tabpanel"]
    assert tabs == panels == ["panel-choose", "panel-everyone", "panel-hardware", "panel-run"]


def test_who_was_not_scored_is_told_apart(tmp_path: Path) -> None:
    plans = [Plan({site.path: {"rank": rank}}) for site in toy_space().sites[:2] for rank in (2, 4)]
    rungs = (RungScore(2, 0.8, 0.3, 1.0),)
    results = [
        Result(0, plans[0], "sampler", "paused", 0.8, 0.3, 1.0, rungs=rungs),
        Result(1, plans[1], "sampler", "failed", reason=EVIL),
        Result(2, plans[3], "sampler", "scored", 0.9, 0.1, 3.0, rungs=rungs, steps=4),
    ]
    tried = tuple(Tried(create_trial(state=TrialState.FAIL), result) for result in results)
    over = Result(3, plans[2], "sampler", "rejected", reason="predicted over budget: latency")
    history = History("accuracy", 4, (2, 4), tried, (), rejected=(over,))
    front = build_front((build_candidate(plans[3], targets=("toy",)),), targets=("toy",))
    write_report(front, tmp_path / "report.html", run_info={}, profiles={"toy": toy_profile()}, history=history)
    view = Page((tmp_path / "report.html").read_text(encoding="utf-8")).view
    assert [(each["id"], each["state"], each["validation"]) for each in view["others"]] == [
        (plans[0].id, "stopped on a rung", 0.8),
        (plans[1].id, "failed", None),
        (plans[2].id, "rejected before training", None),
    ]
    assert view["others"][0]["predicted"]["toy"][0] == toy_profile().predict(plans[0]).latency_ms.median
    assert view["candidates"][0]["trial"]["rungs"] == [[2, 0.8, 0.3]]
    assert view["candidates"][0]["trial"]["steps"] == 4


def test_the_run_is_told(page: Page) -> None:
    cells = [cell for row in page.rows[-7:] for cell in row]
    assert {"seed", "machine", "cpu", EVIL, "flags", "avx2, avx512f", "a:\n  b"} <= set(cells)


def test_names_from_users_are_text_and_nothing_else(tmp_path: Path) -> None:
    plan = Plan({f"encoder.{EVIL}.dense": {"rank": 8}, "encoder.layer.0.x": {"mode": EVIL}})
    candidate = build_candidate(plan, on_front=True, origin=EVIL, targets=(EVIL,), tied=(EVIL,))
    made = build_front((candidate,), targets=(EVIL,))
    made = Front(made.original, made.candidates, EVIL, made.targets, made.budgets, made.objectives)
    page = written(made, tmp_path, {"run": EVIL, EVIL: [EVIL, {EVIL: EVIL}]})
    assert [tag for tag, _ in page.tags if tag in ("img", "script")] == ["script"] * 2
    assert page.view["targets"] == [EVIL]
    assert page.view["candidates"][0]["origin"] == EVIL


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
    assert len(page.view["candidates"]) == len(made.candidates)
    text = (tmp_path / "report.html").read_text()
    measured = any(candidate.verified for candidate in made.candidates)
    assert ("No verified candidate meets every budget." in text) == measured
    assert ("Nothing is measured yet: costs are predicted." in text) != measured
