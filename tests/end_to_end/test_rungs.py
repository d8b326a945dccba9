"""A search on a fidelity ladder, from a YAML to a measured front; and rungs that can't be used."""

import json
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from tests.end_to_end.tiny_task import build_task, inside
from tests.measuring import few_processes

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Ray's own children, at shutdown
RUN = """
model: {path: encoder, task: text-classification}
data: {train: train.csv, test: test.csv, max_length: 32}
hardware: {name: here, batch_size: 2, seconds: 1, disturbed: accept}
objectives: [accuracy, size]
space: {methods: [low_rank], low_rank: {ranks: [1, 4]}}
search: {trials: 5, finalists: 1, rungs: [0, 2, 4], reduction: 2}
fine_tune: {steps: 4, batch_size: 8, original_epochs: 4, original_learning_rate: 1e-3}
ray: {workers: 1}
output: run
"""
RULE = "must be `off` or a list of two or more increasing numbers"
LAST = "`steps` must be the last of search.rungs"


def test_a_share_of_the_trials_is_trained_to_the_end_and_measured(tmp_path: Path) -> None:
    build_task(tmp_path, width=64)
    (tmp_path / "news.yaml").write_text(RUN)
    with few_processes():
        said = inside(tmp_path, "search", "news.yaml")
    run = tmp_path / "run"
    storage = JournalStorage(JournalFileBackend(str(run / "study.journal")))
    trials = [t for t in optuna.load_study(storage=storage, study_name="greenfront").trials if "rungs" in t.user_attrs]
    assert len(trials) == 5
    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    paused = [trial for trial in trials if trial.state == TrialState.RUNNING]
    assert 2 <= len(finished) <= 4
    assert len(paused) == 5 - len(finished)
    assert all(list(trial.intermediate_values) == [0, 2] for trial in finished)
    summary = json.loads((run / "summary.json").read_text())
    assert sum(summary["stopped_after_steps"].values()) == len(paused)
    taken = {t.number: t.user_attrs["steps"] for t in trials}
    assert summary["steps_trained"] == sum(taken.values()) > 0
    assert all(taken[t.number] in (0, 4) for t in finished)  # a plan that loses next to nothing takes none
    assert all(taken[t.number] in (0, t.user_attrs["rungs"][-1][0]) for t in paused)
    assert said.count(" after 0 of 4 steps, predicted ") == 5
    front = json.loads((run / "front.json").read_text())
    ids = {trial.user_attrs["plan_id"] for trial in finished}
    assert {candidate["id"] for candidate in front["candidates"]} == ids
    assert any(candidate["verified"] for candidate in front["candidates"])
    report = (run / "report.html").read_text(encoding="utf-8")
    for part in ("<h2>Hypervolume</h2>", "<h2>Promotions</h2>", "<h2>What matters</h2>", "<h2>What it saves</h2>"):
        assert part in report
    assert not (run / "paused").exists()
    assert "is finished" in inside(tmp_path, "search", "news.yaml")


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("[0, 2, 4]", "[0, 4, 2]", 7, f"search.rungs: {RULE}, but got [0, 4, 2]"),
        ("[0, 2, 4]", "[4]", 7, f"search.rungs: {RULE}, but got [4]"),
        ("[0, 2, 4]", "[0, 2, 3]", 8, f"fine_tune: {LAST}, 3, the whole fine-tuning, but got 4"),
        ("reduction: 2", "reduction: 1", 7, "search.reduction: must be at least 2, but got 1"),
    ],
)
def test_rungs_that_cannot_be_used_are_one_message(old: str, new: str, line: int, message: str, tmp_path: Path) -> None:
    build_task(tmp_path, width=64)
    (tmp_path / "news.yaml").write_text(RUN.replace(old, new))
    said = inside(tmp_path, "check", "news.yaml", code=2)
    assert f"news.yaml:{line}: {message}" in said.replace("\n", " ")
    assert not (tmp_path / "run").exists()
