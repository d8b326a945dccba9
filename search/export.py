"""Exporting a candidate: a folder that loads anywhere, compared with what was searched before it is called done."""

import os
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import PreTrainedModel

from greenfront.config import ModelConfig, RunConfig
from greenfront.errors import ConfigError, DataError, RunError
from greenfront.evaluators import Examples, fitting, get_task, load_test
from greenfront.evaluators.named_metrics import trust_metric
from greenfront.evaluators.names import nearest
from greenfront.evaluators.splits import stratified
from greenfront.hardware_profiles.onnx_export import export_onnx
from greenfront.hardware_profiles.onnx_runtime import OnnxRuntime
from greenfront.hardware_profiles.registry import get_runtime
from greenfront.hardware_profiles.target import Target
from greenfront.hardware_profiles.workload import workload
from greenfront.search.export_check import FOLDER, ONNX, Expected, Questions, in_clean_process
from greenfront.search.export_example import example_script
from greenfront.search.export_latency import check_latency
from greenfront.search.front import Front
from greenfront.search.progress import Reporter, Silent
from greenfront.search.run_folder import RunFolder
from greenfront.spaces import load_checkpoint, weight_bytes

MOST_EXAMPLES, LARGEST_NUMBERS = 200, 2**26
"""Examples of the test split that the candidate and what is written of it are compared on, and logits of all of them.
"""
NOT_EXPORTED = ("*.py", "*.py[co]", "*.bin", "*.pkl", "*.pickle", "*.pt", "*.pth")
"""Code and pickles: a search writes none, but a run folder may come from anybody."""
TOLERANCE, ONNX_TOLERANCE = 1e-4, 1e-3
"""Largest difference of a logit between the candidate here and the folder, or the ONNX file, but for rounding."""


@dataclass(frozen=True)
class Form:
    """A candidate as it was searched, or as an export has it."""

    size_mb: float
    difference: float = 0.0
    """The largest of a logit, from the candidate as it was searched."""
    score: float | None = None
    """The metric on test examples; more is better."""
    latency_share: float | None = None
    """Of the original's latency in the same runtime."""


@dataclass(frozen=True)
class Exported:
    """What was written, and how it compares with the candidate."""

    folder: Path
    metric: str
    examples: int
    """Of the test split, behind the scores."""
    candidate: Form
    saved: Form
    onnx: Form | None
    notes: tuple[str, ...]
    """What could not be compared, and what differs though nothing is wrong."""


def export(
    run: RunFolder,
    id_: str,
    to: Path,
    *,
    onnx: bool = False,
    trust_remote_code: bool = False,
    report: Reporter | None = None,
) -> Exported:
    """Write a front member (or `original`) to a folder for `from_pretrained`, and compare it with the candidate.

    With `onnx` also `model.onnx`, for plain ONNX Runtime, and `example.py`, which uses it. Where the test data can be
    read, up to `MOST_EXAMPLES` examples are answered by the candidate here and by each of the two in a clean process;
    the latency of each is compared with the original's in its runtime, and with what the search measured there. A
    metric that is a script is only run with `trust_remote_code`: that the run folder names it is not enough.

    Raises:
        RunError: no weights of this candidate are kept, or the folder exists and is not empty, or can't be written.
        ConfigError: ONNX asked for, but not installed; a metric script that isn't trusted.
        GreenfrontError: the export doesn't load, or gives other answers, or ONNX hasn't one of its operators.
    """
    report = report or Silent()
    if trust_remote_code:
        trust_metric(run.load_config().data.metric)
    front = Front.load(run.front) if run.front.exists() else None
    if front is not None:
        id_ = front.candidate(id_).id  # any unambiguous beginning will do
    elif not re.fullmatch("original|[0-9a-f]{8}", id_):
        raise RunError(f"a candidate's id must be eight hexadecimal digits, or `original`, but got {id_!r}")
    source = run.candidate(id_)
    if not (source / "config.json").exists():
        kept = ["original", *sorted(path.name for path in (run.path / "candidates").iterdir() if path.is_dir())]
        hint = nearest(id_, kept) if front is None else ""  # a front has said so already
        raise RunError(f"no weights of candidate {id_!r} are kept in {run.path}; kept: {', '.join(kept)}{hint}")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise RunError(f"--to: must be a new or empty folder, but {to} exists")
    if onnx:
        get_runtime(OnnxRuntime.name)  # refuses before anything is written
    with _beside(to) as temporary:
        partial = Path(temporary) / "export"
        shutil.copytree(source, partial, ignore=shutil.ignore_patterns(*NOT_EXPORTED))
        exported = _compared(run, id_, partial, onnx, front, report)
        if to.exists():
            to.rmdir()
        os.replace(partial, to)
    return replace(exported, folder=to)


def _beside(to: Path) -> "tempfile.TemporaryDirectory[str]":
    """A folder that becomes `to` in one step; raises RunError where nothing can be written."""
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}.")
    except OSError as error:
        raise RunError(f"--to: {to} can't be written: {error.strerror}") from error


def example_inputs(model: PreTrainedModel, tokens: int) -> dict[str, torch.Tensor]:
    """Two texts, one of so many tokens and one of half, or two random images, as they are measured."""
    inputs = workload(model, Target("export", "cpu", "torch", threads=1, batch_size=2, sequence_length=tokens))
    if "attention_mask" in inputs:
        inputs["attention_mask"][1, tokens // 2 :] = 0
        inputs["input_ids"][1, tokens // 2 :] = model.config.pad_token_id or 0
    return inputs


def _compared(run: RunFolder, id_: str, folder: Path, onnx: bool, front: Front | None, report: Reporter) -> Exported:
    """Compare what stands in a folder with the candidate, and write and compare `model.onnx` where it is asked for."""
    config, model, notes = run.load_config(), load_checkpoint(run.candidate(id_)), list[str]()
    inputs = example_inputs(model, max(config.target_length(target) for target in config.hardware))
    report.stage("Answering test examples with the candidate")
    examples = _test_examples(folder, model, config, notes)
    expected = Expected.of(model, Questions.of(inputs, examples, config.data.metric))
    names, auto_class = list(expected.answers[0]), get_task(config.model.task).auto_class.__name__

    report.stage("Answering them with the export, in a clean process")
    answers = in_clean_process(FOLDER, folder, expected.questions, names, auto_class)
    saved = Form(weight_bytes(folder) / 1e6, *expected.check(f"the export of {id_}", answers, TOLERANCE))
    written, file = {"torch": folder}, folder / "model.onnx"
    in_onnx = None
    if onnx:
        report.stage("Writing model.onnx, and answering them in ONNX Runtime alone")
        export_onnx(model, inputs, file)
        channels = getattr(model.config, "num_channels", 3)
        script = example_script(config.model.task, config.data, inputs, channels)
        (folder / "example.py").write_text(script, encoding="utf-8")
        answers = in_clean_process(ONNX, file, expected.questions, names, auto_class)
        in_onnx = Form(file.stat().st_size / 1e6, *expected.check("the ONNX file", answers, ONNX_TOLERANCE))
        written[OnnxRuntime.name] = file

    candidate = Form(weight_bytes(run.candidate(id_)) / 1e6, score=expected.score)
    if front is not None and id_ != front.original.id:
        checks, said = check_latency(config, run.original, front.candidate(id_), front.original, written, report)
        notes += said
        candidate = replace(candidate, latency_share=next((c.searched for c in checks if c.searched is not None), None))
        share = {check.runtime: check.exported for check in checks}
        saved = replace(saved, latency_share=share.get("torch"))
        in_onnx = in_onnx and replace(in_onnx, latency_share=share.get(OnnxRuntime.name))
    count = 0 if examples is None else len(examples)
    return Exported(folder, config.data.metric, count, candidate, saved, in_onnx, tuple(notes))


def _test_examples(folder: Path, model: PreTrainedModel, config: RunConfig, notes: list[str]) -> Examples | None:
    """Up to `MOST_EXAMPLES` of the test split as the export's own processor prepares them; a note where it is gone."""
    at = ModelConfig(path=str(folder), task=config.model.task)
    try:
        examples = load_test(at, config.data, config.search.seed)
    except (ConfigError, DataError) as error:
        notes.append(f"{config.data.metric}: not compared, since the test data can't be read ({error})")
        return None
    most = fitting(model, examples, MOST_EXAMPLES, LARGEST_NUMBERS)
    return examples.subset(stratified(examples.labels, most, seed=config.search.seed))
