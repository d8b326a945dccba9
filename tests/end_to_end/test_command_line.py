"""The whole way on the command line: a search is interrupted, goes on, is shown, chosen from, exported and loaded.

One real run is shared by all tests: two Ray workers, measured costs, a head that is trained first.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from tests.end_to_end.tiny_task import LABELS, PROGRAM, build_task, edit, environment, greenfront, inside, run_inside
from tests.measuring import few_processes

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Ray's own children, at shutdown
TRIALS, FINALISTS = 6, 2
METHODS = ("heads", "width", "low_rank", "bits")
SETTINGS = {
    "data.max_length": 32,
    "hardware.name": "here",
    "hardware.batch_size": 8,
    "hardware.seconds": 1,
    "hardware.disturbed": "accept",
    "objectives": "[accuracy, latency, size]",
    "space.methods": f"[{', '.join(METHODS)}]",
    "space.low_rank.align": 32,
    "search.trials": TRIALS,
    "search.finalists": FINALISTS,
    "fine_tune.steps": 12,
    "fine_tune.batch_size": 16,
    "fine_tune.original_epochs": 4,
    "fine_tune.original_learning_rate": "1e-3",
    "ray.workers": 2,
    "output": "run",
}
MARK = "GREENFRONT_END_TO_END"


@dataclass(frozen=True)
class Run:
    """A finished run that was interrupted once, and what was seen on the way."""

    folder: Path
    interrupted: subprocess.CompletedProcess[str]
    done_then: dict[str, str]
    """Plan id -> state of every trial in the journal after the interrupt."""
    shown_then: str
    left_then: list[str]
    """Processes, and files in the folder for temporary ones."""
    verified: subprocess.CompletedProcess[str]
    """What was there then, without further trials."""
    front_then: dict[str, Any]
    finished: subprocess.CompletedProcess[str]
    left: list[str]

    @property
    def path(self) -> Path:
        return self.folder / "run"

    @property
    def front(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.path / "front.json").read_text())
        return document


def trials(run: Path) -> list[FrozenTrial]:
    """What a run's journal says of trials that came to something, by Optuna alone."""
    journal = run / "study.journal"
    if not journal.exists():
        return []
    storage = JournalStorage(JournalFileBackend(str(journal)))
    if not storage.get_all_studies():
        return []
    told = optuna.load_study(storage=storage, study_name="greenfront").trials
    return [trial for trial in told if trial.user_attrs.get("state") not in (None, "asked")]


def states(run: Path) -> dict[str, str]:
    return {trial.user_attrs["plan_id"]: trial.user_attrs["state"] for trial in trials(run)}


def left_over(mark: str) -> list[str]:
    """Processes that were started, by whatever way, by a program that carried this mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline())[:80])
        except psutil.Error:
            continue
    return found


def search(folder: Path, mark: str, **variables: str) -> subprocess.Popen[str]:
    """`greenfront search` in a process group of its own, as a shell starts it."""
    return subprocess.Popen(
        [PROGRAM, "search", "news.yaml"], cwd=folder, env={**environment(), MARK: mark, **variables}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    stdout, stderr = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("news")
    build_task(folder)
    greenfront(
        "init", "news.yaml", "--model", "encoder", "--train", "train.csv", "--test", "test.csv", cwd=folder
    )  # fmt: skip
    edit(folder / "news.yaml", SETTINGS)
    with tempfile.TemporaryDirectory(prefix="gf-", dir="/tmp") as temporary:
        first = search(folder, f"{folder} first", TMPDIR=temporary)
        while first.poll() is None and not trials(folder / "run"):
            time.sleep(0.1)
        os.killpg(first.pid, signal.SIGINT)  # Ctrl-C reaches the whole group
        os.killpg(first.pid, signal.SIGTERM)  # and whoever is impatient
        interrupted = ended(first)
        left_then, done_then = [*left_over(f"{folder} first"), *os.listdir(temporary)], states(folder / "run")
    shown = greenfront("show", "run", cwd=folder).stdout
    verified = greenfront("search", "news.yaml", "--verify", cwd=folder)
    front_then = json.loads((folder / "run" / "front.json").read_text())
    assert states(folder / "run") == done_then
    finished = ended(search(folder, f"{folder} second"))
    left = left_over(f"{folder} second")
    return Run(folder, interrupted, done_then, shown, left_then, verified, front_then, finished, left)


def test_an_interrupted_search_says_so_and_can_be_shown(run: Run) -> None:
    assert run.interrupted.returncode == 130, run.interrupted.stderr
    assert "interrupted; what is done is kept" in run.interrupted.stderr
    assert "Traceback" not in run.interrupted.stderr
    assert 1 <= len(run.done_then) < TRIALS
    for id_ in run.done_then:
        assert id_ in run.shown_then
    assert "~" in run.shown_then  # nothing of it is measured yet


def test_what_an_interrupted_search_found_is_verified_on_request(run: Run) -> None:
    assert "`greenfront search news.yaml` goes on; with --verify it measures and tests" in run.interrupted.stdout
    assert "Measuring" in run.verified.stdout
    assert "Starting" not in run.verified.stdout
    found = [candidate for candidate in run.front_then["candidates"] if candidate["verified"]]
    assert {candidate["id"] for candidate in found} <= set(run.done_then)
    assert 1 <= len(found) <= FINALISTS
    assert all(candidate["score"]["test"] is not None for candidate in found)


def test_the_same_command_finishes_and_keeps_the_earlier_trials(run: Run) -> None:
    assert run.finished.returncode == 0, run.finished.stderr
    found = states(run.path)
    assert run.done_then.items() <= found.items()
    assert list(found)[: len(run.done_then)] == list(run.done_then)
    assert list(found.values()).count("scored") == TRIALS
    assert "Fine-tuning the original" not in run.finished.stdout
    assert "Measuring this machine" not in run.finished.stdout
    assert "Decomposing" not in run.finished.stdout


def test_nothing_of_ray_is_left(run: Run) -> None:
    assert run.left_then == []
    assert run.left == []


def test_the_run_folder_holds_what_is_promised(run: Run) -> None:
    names = {path.name for path in run.path.iterdir()}
    assert names == {
        "config.yaml", "environment.json", "profiles", "study.journal", "original", "candidates", "front.json",
        "front.png", "report.html", "log.txt", "teacher.safetensors", "library", "significance.json",
        "summary.json", "measured", "analysis.json", "analysis.html",
    } | ({"study.journal.lock"} & names)  # fmt: skip
    every = [path for path in run.path.rglob("*") if path.is_file()]
    assert not [path for path in every if ".partial" in str(path) or path.name.startswith(".")]
    assert not [path for path in every if path.suffix in (".bin", ".pt", ".pkl", ".pickle")]
    assert (run.path / "front.png").read_bytes().startswith(b"\x89PNG")
    for folder in ("profiles", "measured"):
        assert [path.name for path in (run.path / folder).iterdir()] == ["here.json"]
    kept = {path.name for path in (run.path / "candidates").iterdir() if path.is_dir()}
    assert {c["id"] for c in run.front["candidates"] if c["verified"]} <= kept


def test_the_front_has_the_documented_shape(run: Run) -> None:
    front = run.front
    assert set(front) == {
        "version", "metric", "targets", "budgets", "objectives", "fronts", "original", "candidates"
    }  # fmt: skip
    assert (front["version"], front["metric"], front["targets"]) == (2, "accuracy", ["here"])
    assert {c["id"] for c in front["candidates"] if c["on_front"]} == set(front["fronts"]["here"])
    assert (front["budgets"], front["objectives"]) == ({}, ["accuracy", "latency", "size"])
    assert front["original"]["id"] == "original"
    assert front["original"]["plan"] == {}
    assert len(front["candidates"]) == TRIALS
    for candidate in (front["original"], *front["candidates"]):
        assert set(candidate) - {"untrained"} == {
            "id", "plan", "score", "cost", "predicted", "feasible", "on_front", "missed", "origin", "verified",
            "tied",
        }  # fmt: skip
        assert set(candidate["score"]) == {"metric", "validation", "test", "test_interval"}
        for costs in (candidate["predicted"], candidate["cost"]):
            if costs is None:
                continue
            assert set(costs) == {"here"}
            energy = {key for key in costs["here"] if key.startswith(("energy_", "co2_", "money_"))}
            assert set(costs["here"]) - energy == {
                "latency_ms", "latency_p90_ms", "large_batch_latency_ms", "throughput_per_s", "peak_memory_mb",
                "size_mb", "parameters", "flops",
            }  # fmt: skip
            assert len(energy) == 3
            assert set(costs["here"]["latency_ms"]) == {"median", "low", "high"}
        assert candidate["verified"] == (candidate["cost"] is not None) == (candidate["score"]["test"] is not None)
        assert re.fullmatch(
            r"original|sampler|random allocation|(allocation|uniform) \d+% \w+(, \d+% \w+)*|significance \d+%",
            candidate["origin"],
        )


def test_the_front_is_measured(run: Run) -> None:
    original, candidates = run.front["original"], run.front["candidates"]
    measured = [candidate for candidate in candidates if candidate["verified"]]
    assert 1 <= len(measured) <= FINALISTS
    assert original["verified"]
    members = [candidate for candidate in candidates if candidate["on_front"]]
    assert members
    assert all(candidate["verified"] for candidate in members)
    for candidate in measured:
        weights = run.path / "candidates" / candidate["id"] / "model.safetensors"
        cost = candidate["cost"]["here"]
        assert cost["size_mb"] == pytest.approx(
            weights.stat().st_size / 1e6, rel=0.25
        )  # an ONNX file holds a graph, too
        assert cost["size_mb"] < original["cost"]["here"]["size_mb"]
        predicted = candidate["predicted"]["here"]["size_mb"]
        assert cost["size_mb"] == pytest.approx(predicted, rel=0.02, abs=0.02)  # some kB of a graph that rounds
        interval = cost["latency_ms"]
        assert 0 < interval["low"] <= interval["median"] <= interval["high"]
        assert candidate["score"]["test_interval"][0] <= candidate["score"]["test"]


def test_the_original_has_learnt_the_task(run: Run) -> None:
    assert run.front["original"]["score"]["validation"] > 0.8
    assert run.front["original"]["score"]["test"] > 0.8
    config = json.loads((run.path / "original" / "config.json").read_text())
    assert tuple(config["id2label"].values()) == LABELS


def test_check_says_what_would_be_searched(run: Run) -> None:
    shown = inside(run.folder, "check", "news.yaml")
    assert "its head is untrained" in shown
    assert "270 train, 30 validation, 90 test; 3 labels: sport, trade, weather" in shown
    assert "here: cpu, onnxruntime, 1 thread, batch 8 x 32 tokens" in shown
    assert "128 x 512" in shown
    for method in METHODS:
        assert re.search(rf"^ *{method} ", shown, re.MULTILINE)


def test_show_prints_a_table_or_the_front_itself(run: Run) -> None:
    table = inside(run.folder, "show", "run")
    for candidate in run.front["candidates"]:
        assert candidate["id"] in table
    assert "★" in table
    assert json.loads(inside(run.folder, "show", "run", "--json")) == run.front


def test_select_names_one_and_says_why(run: Run) -> None:
    verified = {c["id"]: c for c in run.front["candidates"] if c["verified"]}
    chosen = inside(run.folder, "select", "run", "--knee")
    assert chosen.splitlines()[0] in verified
    assert f"Chosen {chosen.splitlines()[0]}" in chosen
    assert f"greenfront export run {chosen.splitlines()[0]} --to DIR" in chosen
    small = inside(run.folder, "select", "run", "--size", "99%", "--id-only")
    assert small.strip() in verified


def test_select_without_an_answer_ends_with_3(run: Run) -> None:
    refused = inside(run.folder, "select", "run", "--latency", "0.1%", code=3)
    assert "no candidate meets every bound; the closest is" in refused
    assert "the binding bound is latency at most" in refused


RELOAD = """
import sys, torch, onnxruntime
import greenfront
from transformers import AutoModelForSequenceClassification, AutoTokenizer
folder, id_, yaml = sys.argv[1:]
model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
tokenizer = AutoTokenizer.from_pretrained(folder)
texts = ["rain and snow with wind", "the team with a goal in the match was the best of the league", "price of stock"]
inputs = tokenizer(texts, padding=True, return_tensors="pt")
with torch.no_grad():
    logits = model(**inputs).logits
    assert torch.equal(greenfront.load(folder)(**inputs).logits, logits)
print(*(model.config.id2label[i] for i in logits.argmax(-1).tolist()))
session = onnxruntime.InferenceSession(f"{folder}/model.onnx", providers=["CPUExecutionProvider"])
(found,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
print((torch.from_numpy(found) - logits).abs().max().item())

front = greenfront.search(yaml)
assert [member.id for member in front.members], front
print(*sorted(candidate.id for candidate in front.candidates))
chosen = greenfront.select("run", size="99%", prefer="fastest").candidate
assert chosen.cost is not None and chosen.verified
assert greenfront.compress(greenfront.load("run/original"), chosen.plan).num_parameters() == model.num_parameters()
"""


def test_an_export_loads_in_a_clean_process_and_python_goes_on_with_the_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # a lock of its own: where others measure, latencies aren't compared
    id_ = greenfront("select", "run", "--fastest", "--size", "99%", "--id-only", cwd=run.folder).stdout.strip()
    said = greenfront("export", "run", id_, "--to", "small", "--onnx", cwd=run.folder).stdout
    assert "small: loaded again in a clean process" in said
    table = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.startswith(("folder ", "model."))}
    for _, difference, score, _ in table.values():
        assert float(difference) < 1e-3
        assert 0 < float(score) <= 1
    assert table["model.onnx"][-1].endswith("%")  # of the original's latency
    example = subprocess.run(
        [sys.executable, "-I", "small/example.py", "rain and snow with wind"], cwd=run.folder, env=environment(),
        capture_output=True, text=True,
    )  # fmt: skip
    assert example.stdout.split() == ["weather"], example.stderr
    stamps = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()}
    ran = subprocess.run(
        [sys.executable, "-c", RELOAD, "small", id_, "news.yaml"], cwd=run.folder, env=environment(),
        capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    labels, difference, ids = ran.stdout.splitlines()
    assert labels.split() == ["weather", "sport", "trade"]
    assert float(difference) < 1e-3  # of other lengths than the export was traced with
    assert ids.split() == sorted(c["id"] for c in run.front["candidates"])
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()} == stamps


def test_a_finished_search_says_so(run: Run) -> None:
    before = (run.path / "front.json").stat().st_mtime_ns
    said = inside(run.folder, "search", "news.yaml")
    assert "is finished" in said
    assert (run.path / "front.json").stat().st_mtime_ns == before


STRICT = """\
model: {path: run/original, task: text-classification}
data: {train: train.csv, test: test.csv, max_length: 32}
hardware:
  - {name: here, profile: run/profiles/here.json, seconds: 1, disturbed: accept}
  - {name: board, profile: board.json, elsewhere: true}
budgets: {latency: 1%}
objectives: [accuracy, latency, size]
space: {methods: [heads, width, low_rank, bits], low_rank: {align: 32}}
search: {trials: 2, finalists: 1}
fine_tune: {steps: 2, batch_size: 16}
ray: {workers: 1}
output: strict
"""


def test_a_budget_that_nothing_meets_ends_with_3_and_a_front_on_a_target_elsewhere_too(run: Run) -> None:
    """It begins with the first run's results: a head that is trained already, and the measured profile, twice."""
    (run.folder / "strict.yaml").write_text(STRICT)
    profile = json.loads((run.path / "profiles" / "here.json").read_text())
    profile["fingerprint"]["processor"] = "Cortex-A76"
    (run.folder / "board.json").write_text(json.dumps(profile))
    with few_processes():
        ended = run_inside(run.folder, "search", "strict.yaml", code=3)
    front = json.loads((run.folder / "strict" / "front.json").read_text())
    (closest,) = (candidate["id"] for candidate in front["candidates"] if candidate["verified"])
    assert "Fine-tuning the original" not in ended.stdout
    assert "no plan can meet the budget on latency, by prediction; searching without it" in ended.stdout
    assert "no plan in this space can meet every budget" in ended.stderr
    assert f"the closest is {closest}, which misses latency by" in ended.stderr
    assert "the front without that budget has been saved" in ended.stderr
    assert "Traceback" not in ended.stderr
    (member,) = (candidate for candidate in front["candidates"] if candidate["on_front"])
    assert member["id"] == closest
    assert member["missed"] == ["latency"]
    assert not member["feasible"]
    assert front["budgets"] == {"latency": "1%"}
    assert closest in ended.stdout  # the table is shown all the same

    assert "board: predicted, measured elsewhere (Cortex-A76)" in ended.stdout
    assert "for target board" not in ended.stdout  # nothing was measured for it
    for candidate in (front["original"], member):
        assert set(candidate["cost"]) == {"here"}
        assert set(candidate["predicted"]) == {"here", "board"}
    assert set(front["fronts"]) == {"here", "board"}
    assert closest in front["fronts"]["board"]

    again = greenfront("search", "strict.yaml", cwd=run.folder, code=3)  # finished, and said in the same words
    assert again.stderr == ended.stderr


def test_measure_writes_a_profile_that_a_search_takes(run: Run) -> None:
    with few_processes():
        said = inside(run.folder, "measure", "news.yaml", "--to", "measured.json")
    for words in ("onnxruntime, 1 thread", "latency", "peak memory", "throughput", "measured.json written"):
        assert words in said
    assert "held-out candidates: off by" in said
    before = (run.folder / "measured.json").read_bytes()
    assert "measured.json exists" in inside(run.folder, "measure", "news.yaml", "--to", "measured.json", code=2)
    assert (run.folder / "measured.json").read_bytes() == before
    taken = STRICT.replace("run/profiles/here.json", "measured.json").replace("output: strict", "output: another")
    (run.folder / "taken.yaml").write_text(taken)
    assert (
        "board: cpu, onnxruntime, 1 thread, batch 8 x 32 tokens, predicted from a profile measured elsewhere"
        in inside(run.folder, "check", "taken.yaml")
    )


def test_a_finished_run_is_taken_up_with_other_budgets_and_finished(run: Run) -> None:
    """Nothing is trained but what the front wants and hasn't: weights that are gone, and what no trial is near to."""
    folder = run.folder / "again"
    shutil.copytree(run.path, folder)
    text = (run.folder / "news.yaml").read_text().replace("output: run", "output: again")
    (run.folder / "again.yaml").write_text(text)
    edit(run.folder / "again.yaml", {"budgets.size": "99%", "finish.steps": 24, "finish.members": 1})
    gone, *_ = (candidate for candidate in run.front["candidates"] if candidate["on_front"])
    shutil.rmtree(folder / "candidates" / gone["id"])
    with few_processes():
        said = inside(run.folder, "search", "again.yaml")
    assert re.search(r"from what is stored, before any new training: \d of 6 candidates meet every budget", said)
    assert "Training 1 stored candidate again" in said
    assert "when trained again, was" not in said  # the same seed, the same score
    for stage in ("Measuring this machine", "Decomposing", "Significance of every setting", "Fine-tuning the original"):
        assert stage not in said
    (wanted,) = re.findall(r"plans at costs that no stored trial is near to: (\d+)", said)
    found = states(folder)
    assert states(run.path).items() <= found.items()
    assert len(found) == len(states(run.path)) + int(wanted)
    assert (folder / "earlier" / "1" / "front.json").read_bytes() == (run.path / "front.json").read_bytes()
    front = json.loads((folder / "front.json").read_text())
    assert front["budgets"] == {"size": "99%"}
    again = {candidate["id"]: candidate for candidate in front["candidates"]}
    (attempted,) = (path.name for path in (folder / "finished").iterdir())
    assert f"{attempted} after 24 steps: divergence" in said
    assert ("finished" in again[attempted]) == (folder / "finished" / attempted / "model").is_dir()
    if attempted != gone["id"]:
        assert again[gone["id"]]["score"]["validation"] == gone["score"]["validation"]
    assert again[gone["id"]]["verified"]
    assert "is finished" in inside(run.folder, "search", "again.yaml")


def test_a_finished_run_of_something_else_is_refused_by_name(run: Run) -> None:
    edit_from = (run.folder / "news.yaml").read_text()
    (run.folder / "other.yaml").write_text(edit_from)
    edit(run.folder / "other.yaml", {"model.path": "run/original", "budgets.size": "50%", "data.max_length": 16})
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    for command in ("search", "check"):
        refused = inside(run.folder, command, "other.yaml", code=2)
        assert "belongs to another configuration" in refused
        assert "data.max_length: 16 here, 32 there" in refused
        assert "model.path: " in refused
        assert "50%" not in refused
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before
