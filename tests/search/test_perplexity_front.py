"""A metric of which less is better: kept as its inverse, and shown as itself wherever people look."""

import json
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from greenfront.search import select, wording
from greenfront.search.candidate import Candidate
from greenfront.search.front import Front
from greenfront.search.plot import draw_front
from greenfront.search.preference import rank
from greenfront.search.report import write_report
from greenfront.search.table import front_table
from tests.search.front_builder import build_front


def of_perplexity(candidate: Candidate) -> Candidate:
    return replace(candidate, score=replace(candidate.score, metric="perplexity"))


@pytest.fixture
def front() -> Front:
    """Inverse perplexities of 0.93 and less are perplexities of 1.08 and more."""
    built = build_front()
    everyone = tuple(map(of_perplexity, built.candidates))
    return replace(built, original=of_perplexity(built.original), candidates=everyone, metric="perplexity")


def test_the_document_holds_perplexities_and_reads_back(front: Front) -> None:
    score = json.loads(front.to_json())["original"]["score"]
    assert score["validation"] == pytest.approx(1 / 0.93)
    assert score["test"] > score["validation"]  # the test score is worse
    assert score["test_interval"][0] < score["test"] < score["test_interval"][1]
    again = Front.from_json(front.to_json())
    assert again.original.score.validation == pytest.approx(front.original.score.validation)
    assert again.original.score.test_interval == pytest.approx(front.original.score.test_interval)
    assert [c.id for c in again.members] == [c.id for c in front.members]


def test_scores_are_written_as_the_metric() -> None:
    assert wording.score(0.05, "perplexity") == "20.00"
    assert wording.score(1 / 12345, "perplexity") == "12345"
    assert wording.score(0.0, "perplexity") == "inf"
    assert (wording.score(0.05, "accuracy"), wording.score(None, "perplexity")) == ("0.050", "-")
    assert wording.interval((0.04, 0.05), "perplexity") == "[20.00, 25.00]"
    assert wording.floor(0.05, "perplexity") == "at most 20.00"
    assert wording.floor(0.9, "f1") == "at least 0.900"


def test_everything_shown_is_perplexity(front: Front, tmp_path: Path) -> None:
    written = StringIO()
    Console(file=written, width=120).print(front_table(front))
    assert "1.08 → 1.08 [1.07, 1.10]" in written.getvalue()
    write_report(front, tmp_path / "report.html", run_info={"run": "run"}, profiles={}, warnings={})
    assert (
        f"perplexity {1 / front.original.score.validation:.2f} on validation" in (tmp_path / "report.html").read_text()
    )
    figure = draw_front(front)
    figure.canvas.draw()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    values = [float(label) for label in labels if label]
    assert values == sorted(values, reverse=True)  # better, which is less, stands above
    assert min(values) >= 1.0


def test_selecting_prefers_less_of_it_and_says_so(front: Front, tmp_path: Path) -> None:
    front.save(tmp_path / "front.json")
    chosen = select.select(Front.load(tmp_path / "front.json"), prefer="most_accurate")
    assert chosen.candidate.score.validation == pytest.approx(max(c.score.validation for c in front.members))
    reasons = " ".join(chosen.reasons)
    assert re.search(r"accuracy drop 3%: at most 1\.1\d on validation", reasons)
    assert re.search(r"perplexity 1\.\d\d on validation", reasons)
    best, other = sorted((c for c in front.candidates if c.verified), key=lambda c: -c.score.validation)[:2]
    worse = 1 / other.score.validation - 1 / best.score.validation
    lost = rank([best, other], "most_accurate", "latency", "laptop").lost(other, "perplexity")
    assert f"{worse:.3f} more perplexity on validation" in lost
