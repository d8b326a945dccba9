"""Exports: what is written loads again in a clean process, and a damaged one is never called done."""

import shutil
from contextlib import nullcontext
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from rich.console import Console
from transformers import AutoTokenizer, PreTrainedModel

from greenfront.errors import ConfigError, GreenfrontError, RunError
from greenfront.evaluators import TextExamples
from greenfront.hardware_profiles.fingerprint import Conditions
from greenfront.hardware_profiles.jobs import Job, LatencyAnswer
from greenfront.hardware_profiles.onnx_export import export_onnx
from greenfront.hardware_profiles.onnx_runtime import OnnxRuntime
from greenfront.search import RunFolder, exported_table
from greenfront.search.export import example_inputs, export
from greenfront.search.export_check import Answers, Expected, Questions, difference, otherwise
from greenfront.search.export_latency import PROCESSES, LatencyCheck, check_latency
from greenfront.search.progress import Silent
from greenfront.spaces import Plan, compress, load_checkpoint, plan_of, save_checkpoint, weight_bytes
from greenfront.spaces.answers import answer_tensors
from greenfront.spaces.quantized import unrounded_inputs
from tests.end_to_end.tiny_task import LABELS, rows, save_tokenizer, write_csv
from tests.search.front_builder import build_front
from tests.search.toy_run import toy_config, toy_model, toy_space
from tests.spaces.models import bert, build, randomized, text_batch


def compressed_plan() -> Plan:
    """Ranks everywhere, and a projected attention."""
    space = toy_space()
    ranks = space.plan([1] * len(space.choices)).to_dict()
    ranks["bert.encoder.layer.0.attention.self"] = {"linformer": 4, "linformer_positions": 16}
    return Plan(ranks)


PLAN = compressed_plan()
LINEARS = [f"bert.encoder.layer.{layer}.{part}.dense" for layer in (0, 1) for part in ("intermediate", "output")]
ROUNDED = Plan({path: {"rank": 8, "bits": 8} for path in LINEARS})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run folder with the original and one candidate, whose data are gone."""
    run = RunFolder.create(toy_config(tmp_path_factory.mktemp("runs") / "run"))
    save_checkpoint(toy_model(), run.original)
    save_checkpoint(candidate(toy_model(), PLAN), run.candidate(PLAN.id))
    return run


def candidate(model: PreTrainedModel, plan: Plan) -> PreTrainedModel:
    """With the plan, and weights that are far from zero."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        compressed = compress(model, plan)
        for parameter in compressed.parameters():
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter, std=0.3)
    return compressed


@pytest.fixture
def told(tmp_path: Path) -> RunFolder:
    """A run folder whose data are there: 250 test examples, a tokenizer beside the models, one with int8 linears."""
    vocabulary = save_tokenizer(tmp_path / "tokenizer")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
    write_csv(tmp_path / "train.csv", rows(30, seed=1))
    write_csv(tmp_path / "test.csv", rows(250, seed=0))
    files = {name: str(tmp_path / f"{name}.csv") for name in ("train", "test")}
    run = RunFolder.create(toy_config(tmp_path / "run", data={**files, "max_length": 16}))
    model = randomized(bert(vocab_size=vocabulary, id2label=dict(enumerate(LABELS))))
    save_checkpoint(model, run.original, tokenizer)
    save_checkpoint(candidate(model, ROUNDED), run.candidate(ROUNDED.id), tokenizer)
    return run


def logits(folder: Path) -> torch.Tensor:
    model = load_checkpoint(folder)
    with torch.no_grad():
        found: torch.Tensor = model(**example_inputs(model, 16)).logits
    return found


def test_the_original_is_exported_and_data_that_are_gone_are_said(run: RunFolder, tmp_path: Path) -> None:
    done = export(run, "original", tmp_path)
    assert (done.folder, done.onnx) == (tmp_path, None)
    assert torch.equal(logits(tmp_path), logits(run.original))
    assert plan_of(load_checkpoint(tmp_path)) == Plan()
    assert not (tmp_path / "example.py").exists()
    assert (done.examples, done.saved.score) == (0, None)
    (note,) = done.notes
    assert note.startswith("accuracy: not compared, since the test data can't be read (")


def test_an_export_is_the_candidate_and_its_onnx_file_takes_any_batch_and_length(
    run: RunFolder, tmp_path: Path
) -> None:
    done = export(run, PLAN.id, tmp_path / "new" / "small", onnx=True)
    assert done.folder == tmp_path / "new" / "small"
    assert list(done.folder.parent.iterdir()) == [done.folder]
    assert done.saved.size_mb == weight_bytes(run.candidate(PLAN.id)) / 1e6
    model = load_checkpoint(done.folder)
    assert plan_of(model) == PLAN
    assert torch.equal(logits(done.folder), logits(run.candidate(PLAN.id)))
    assert done.saved.difference < 1e-4
    assert done.onnx is not None
    assert done.onnx.difference < 1e-3
    assert done.onnx.size_mb == (done.folder / "model.onnx").stat().st_size / 1e6
    session = onnxruntime.InferenceSession(str(done.folder / "model.onnx"), providers=["CPUExecutionProvider"])
    for batch, length in ((1, 3), (3, 9), (2, 31)):
        ids = torch.randint(1, 40, (batch, length), generator=torch.Generator().manual_seed(length))
        mask, types = torch.ones_like(ids), (torch.arange(length) > length // 3).long().expand(batch, length)
        mask[-1, length // 2 + 1 :] = 0
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        (found,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
        with torch.no_grad():
            expected = model(**inputs).logits
        assert torch.allclose(torch.from_numpy(found), expected, atol=1e-3), (batch, length)


def test_a_folder_in_use_is_refused(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for to in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(RunError, match=r"--to: must be a new or empty folder, but .* exists"):
            export(run, "original", to)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_unknown_id_is_refused_with_those_there_are(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=rf"'abcd1234'.*; kept: original, {PLAN.id}$"):
        export(run, "abcd1234", tmp_path / "small")
    assert list(tmp_path.iterdir()) == []


def damage_weights(folder: Path) -> None:
    """Other numbers of the same size."""
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-400:] = bytes(400)
    (folder / "model.safetensors").write_bytes(weights)


def cut_weights(folder: Path) -> None:
    """As a full disk leaves them."""
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])


@pytest.mark.parametrize("damage", [damage_weights, cut_weights])
def test_a_damaged_export_is_noticed_and_not_left_behind(
    run: RunFolder, damage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree

    def copy_with_damage(source: Path, target: Path, **options: Any) -> None:
        copy(source, target, **options)
        damage(target)

    monkeypatch.setattr("shutil.copytree", copy_with_damage)
    with pytest.raises(GreenfrontError, match=r"the export (of .* gives logits that differ|doesn't load)"):
        export(run, PLAN.id, tmp_path / "small")
    assert list(tmp_path.iterdir()) == []


def test_onnx_that_is_not_installed_is_said_before_anything_is_written(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OnnxRuntime, "requires", ("onnxruntime", "no_such_module"))
    with pytest.raises(ConfigError, match=r"no_such_module, which is not installed: pip install 'greenfront\[onnx\]'"):
        export(run, "original", tmp_path / "small", onnx=True)
    assert list(tmp_path.iterdir()) == []


def test_an_onnx_file_with_other_logits_is_not_left_behind(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export_another(model: Any, inputs: Any, path: Path) -> None:
        export_onnx(compress(toy_model(), PLAN), inputs, path)

    monkeypatch.setattr("greenfront.search.export.export_onnx", export_another)
    with pytest.raises(GreenfrontError, match="the ONNX file gives logits that differ"):
        export(run, PLAN.id, tmp_path / "small", onnx=True)
    assert list(tmp_path.iterdir()) == []


def test_all_forms_are_asked_the_test_examples(told: RunFolder, tmp_path: Path) -> None:
    """Of whole numbers, whose logits may be as far apart as rounding changes them, in another process or runtime."""
    done = export(told, ROUNDED.id, tmp_path / "small", onnx=True)
    with unrounded_inputs():
        unrounded = logits(done.folder)
    rounding = (unrounded - logits(done.folder)).abs().max().item()
    assert rounding > 1e-6
    assert done.saved.difference <= 1e-4 + 2 * rounding
    assert done.onnx is not None
    assert done.onnx.difference <= 1e-3 + 2 * rounding
    kinds = {tensor.data_type for tensor in onnx.load(done.folder / "model.onnx").graph.initializer}
    assert onnx.TensorProto.INT8 in kinds
    assert (done.metric, done.examples, done.notes) == ("accuracy", 200, ())
    found = (done.candidate.score, done.saved.score, done.onnx.score)
    assert all(score is not None for score in found)
    assert np.ptp(found) <= 0.03  # type: ignore[arg-type]
    assert (tmp_path / "small" / "example.py").exists()
    assert {"tokenizer.json", "tokenizer_config.json"} <= {path.name for path in (tmp_path / "small").iterdir()}
    console = Console(width=80, record=True, file=StringIO())
    console.print(exported_table(done))
    said = console.export_text()
    for words in ("accuracy on 200", "as searched", "folder", "model.onnx", f"{done.onnx.score:.3f}"):
        assert words in said


def asked(model: PreTrainedModel, count: int) -> Expected:
    """Two-token texts of a classifier, each its own."""
    batch = text_batch([2] * count, width=2)
    tokens, offsets = batch["input_ids"].flatten().numpy().astype(np.int32), np.arange(count + 1) * 2
    examples = TextExamples(tokens, offsets, np.zeros(count, dtype=np.int64))
    return Expected.of(model, Questions.of(text_batch([16, 8]), examples, "accuracy"))


def turned(answers: list[Answers], count: int) -> list[Answers]:
    """The answers, with another class for so many of the first batch of examples."""
    first = {"logits": answers[1]["logits"].clone()}
    first["logits"][:count] = first["logits"][:count].flip(-1) + torch.tensor([9.0, 0, -9])
    return [answers[0], first, *answers[2:]]


def test_one_example_in_a_hundred_may_count_otherwise() -> None:
    model = build("bert")
    torch.nn.init.zeros_(model.get_parameter("classifier.weight"))
    model.get_parameter("classifier.bias").data.copy_(torch.tensor([0.0, 0, 5]))
    expected = asked(model, 200)
    assert expected.score == 0
    assert expected.check("it", expected.answers, 1e-9) == (0, 0)
    assert expected.check("it", turned(expected.answers, 2), 1e-9) == (0, 0.01)
    with pytest.raises(GreenfrontError, match=r"it answers 3 of 200 test examples otherwise than .*; at most 2 may"):
        expected.check("it", turned(expected.answers, 3), 1e-9)


def test_rounding_widens_what_is_allowed_by_what_it_changes() -> None:
    plain, rounded = asked(build("bert"), 150), asked(candidate(build("bert"), ROUNDED), 150)
    assert (plain.leeway, plain.leeway_examples) == (0, 0)
    assert rounded.leeway > 1e-5
    with unrounded_inputs(), torch.no_grad():
        model = candidate(build("bert"), ROUNDED)
        answers = [answer_tensors(model, inputs) for inputs in rounded.questions.inputs()]
    changed = otherwise(rounded.questions.outputs(answers), rounded.outputs)
    assert rounded.leeway_examples == 2 * changed
    moved = [difference(one, other) for one, other in zip(answers, rounded.answers, strict=True)]
    assert rounded.leeway == 2 * max(moved) > 2 * moved[0]  # the random inputs alone would have allowed less
    assert rounded.check("it", answers, 1e-9)[0] == moved[0]


def test_logits_that_are_no_numbers_are_noticed() -> None:
    expected = asked(build("bert"), 3)
    nothing = {"logits": torch.full_like(expected.answers[0]["logits"], torch.nan)}
    with pytest.raises(GreenfrontError, match="it gives logits that differ by inf"):
        expected.check("it", [nothing, *expected.answers[1:]], 1e-4)


def test_a_latency_far_from_the_searched_one_is_a_warning_with_both() -> None:
    assert LatencyCheck("onnxruntime", 0.54, 0.50).note is None
    for exported in (0.44, 0.56):
        warning = LatencyCheck("onnxruntime", exported, 0.50).note
        assert warning is not None
        assert f"{exported:.3f} of the original's, timed now in onnxruntime, but 0.500 in front.json" in warning


def test_each_form_is_timed_in_its_own_runtime_and_compared_with_what_was_searched_there(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one in a single process, whatever comes out: there is nothing that it could be far from."""
    timed: list[tuple[str, str, int]] = []

    def answer(job: Job) -> LatencyAnswer:
        timed.append((job.target.runtime, Path(job.folders["export"]).name, job.target.threads))
        slow = 3.0 if job.target.runtime == "torch" else 0.5
        return LatencyAnswer(Conditions("", 0, 0, 0, 0, ()), 0.0, {"export": [slow] * 9, "original": [1.0] * 9})

    monkeypatch.setattr("greenfront.search.export_latency.run_job", answer)
    monkeypatch.setattr("greenfront.search.export_latency.machine_lock", lambda *, wait: nullcontext())
    front = build_front(verified=1, unverified=0)
    hardware = {"name": front.target, "runtime": "onnxruntime", "threads": 1, "sequence_length": 8}
    config = toy_config("run", hardware=hardware)
    save_checkpoint(candidate(toy_model(), PLAN), tmp_path / "small")
    (tmp_path / "small" / "model.onnx").touch()
    written = {"torch": tmp_path / "small", "onnxruntime": tmp_path / "small" / "model.onnx"}
    (verified,) = front.candidates
    checks, notes = check_latency(config, run.original, verified, front.original, written, Silent())
    of_file, of_original = (each.costs()[front.target].latency_ms.median for each in (verified, front.original))
    assert [(check.runtime, check.exported, check.searched) for check in checks] == [
        ("torch", 3.0, None), ("onnxruntime", 0.5, of_file / of_original)
    ]  # fmt: skip
    assert timed == [("torch", "small", 1), *[("onnxruntime", "model.onnx", 1)] * PROCESSES]
    assert notes[0] == "latency in torch: timed now, beside the original there; the search didn't measure it"
    assert all("timed now in onnxruntime, but" in note for note in notes[1:])
    checks, notes = check_latency(
        config, run.original, verified, front.original, {"torch": tmp_path / "small"}, Silent()
    )  # fmt: skip
    assert [check.runtime for check in checks] == ["torch"]
    assert notes[1:] == ["latency in onnxruntime: not compared, though it was searched; --onnx writes a file for it"]


class Stages(Silent):
    """Knows which stages began."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def stage(self, title: str, seconds: float | None = None) -> None:
        self.stages.append(title)


def test_a_latency_that_can_not_be_compared_is_said(run: RunFolder) -> None:
    front = build_front(verified=1, unverified=1)
    verified, unverified = sorted(front.candidates, key=lambda c: not c.verified)
    config = toy_config("run", hardware={"name": front.target, "runtime": "onnxruntime"})
    arguments = (verified, front.original, {"torch": Path("small")}, (report := Stages()))
    found = check_latency(config, run.original, unverified, *arguments[1:])
    assert found == ([], ["latency: not compared, since the candidate was never measured on this machine"])
    many = toy_config("run", hardware={"name": front.target, "runtime": "torch", "threads": 4096})
    checks, (said,) = check_latency(many, run.original, *arguments)
    assert checks == []
    assert said.startswith(f"latency in torch: not compared: hardware '{front.target}': threads must be at most")
    assert report.stages == []  # nothing was timed, and no stage says so
