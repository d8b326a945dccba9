"""Exporting a candidate: a folder that loads anywhere, loaded again in a clean process before it is called done."""

import math
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from greenfront.config import RunConfig
from greenfront.errors import GreenfrontError, RunError
from greenfront.evaluators import get_task
from greenfront.hardware_profiles.onnx_export import export_onnx
from greenfront.hardware_profiles.onnx_runtime import OnnxRuntime
from greenfront.hardware_profiles.registry import get_runtime
from greenfront.hardware_profiles.target import Target
from greenfront.hardware_profiles.workload import workload
from greenfront.search.front import Front
from greenfront.search.run_folder import RunFolder
from greenfront.spaces import load_checkpoint, weight_bytes
from greenfront.spaces.answers import answer_tensors
from greenfront.spaces.quantized import unrounded_inputs

TOLERANCE = 1e-4
"""Largest difference of a logit between the candidate here and its export in a clean process, but for rounding."""

_RELOAD = """
import sys
import greenfront
import transformers
from safetensors.torch import load_file, save_file
folder, inputs, outputs, name, *answers = sys.argv[1:]
model = getattr(transformers, name).from_pretrained(folder, local_files_only=True).eval()
found = model(**load_file(inputs))
save_file({answer: found[answer].detach().contiguous() for answer in answers}, outputs)
"""
Answers = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Exported:
    """What was written, and how far its logits are from the candidate's after loading it again."""

    folder: Path
    size_mb: float
    difference: float
    onnx_difference: float | None = None


def export(run: RunFolder, id_: str, to: Path, *, onnx: bool = False) -> Exported:
    """Write a front member (or `original`) to a folder for `from_pretrained`, and check it.

    Raises:
        RunError: no weights of this candidate are kept, or the folder exists and is not empty, or can't be written.
        ConfigError: ONNX asked for, but not installed.
        GreenfrontError: the export doesn't load, or gives other logits, or ONNX hasn't one of its operators.
    """
    if run.front.exists():
        id_ = Front.load(run.front).candidate(id_).id  # any unambiguous beginning will do
    source = run.candidate(id_)
    if not (source / "config.json").exists():
        kept = sorted(path.name for path in (run.path / "candidates").iterdir() if path.is_dir())
        raise RunError(f"no weights of candidate {id_!r} are kept in {run.path}; kept: original, {', '.join(kept)}")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise RunError(f"--to: must be a new or empty folder, but {to} exists")
    if onnx:
        get_runtime(OnnxRuntime.name)  # refuses before anything is written
    config, model = run.load_config(), load_checkpoint(source)
    inputs = example_inputs(model, max(config.target_length(target) for target in config.hardware))
    with torch.inference_mode():
        expected = answer_tensors(model, inputs)
    leeway = _rounding_leeway(model, inputs, expected)
    with _beside(to) as temporary:
        partial = Path(temporary) / "export"
        shutil.copytree(source, partial)
        difference = _difference(_reloaded(partial, inputs, list(expected), config), expected)
        if not difference < TOLERANCE + leeway:
            raise GreenfrontError(
                f"the export of {id_} gives logits that differ by {difference:.2e} after loading it again"
            )
        onnx_difference = None
        if onnx:
            onnx_difference = _export_onnx(model, inputs, expected, leeway, partial / "model.onnx")
        if to.exists():
            to.rmdir()
        os.replace(partial, to)
    return Exported(to, weight_bytes(to) / 1e6, difference, onnx_difference)


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


def _difference(found: Answers, expected: Answers) -> float:
    """The largest between two models' answers; infinite where one answers with NaN."""
    differences = [(found[name] - expected[name]).abs().max().item() for name in expected]
    return math.inf if any(map(math.isnan, differences)) else max(differences)


def _reloaded(folder: Path, inputs: Answers, names: list[str], config: RunConfig) -> Answers:
    """The logits that a process with nothing but `import greenfront` computes."""
    with tempfile.TemporaryDirectory(prefix="greenfront-export-") as scratch:
        before, after = Path(scratch) / "inputs.safetensors", Path(scratch) / "outputs.safetensors"
        save_file(inputs, before)
        auto_class = get_task(config.model.task).auto_class.__name__
        arguments = [str(folder.resolve()), str(before), str(after), auto_class, *names]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
        ran = subprocess.run(
            [sys.executable, "-c", _RELOAD, *arguments],
            cwd=scratch,
            env=environment,
            capture_output=True,
            text=True,
        )
        if ran.returncode:
            said = ran.stderr.strip().splitlines() or [f"it ended with code {ran.returncode} and no message"]
            raise GreenfrontError(f"the export doesn't load in a clean process: {said[-1]}")
        return load_file(after)


def _rounding_leeway(model: PreTrainedModel, inputs: Answers, expected: Answers) -> float:
    """How far apart the logits may be where linears round their inputs: twice what the rounding changes; else 0.

    A difference in a float's last digit may become one of a whole step, and the next layer has more of them: with
    another number of threads, or in another runtime, the errors of rounding are others, but not larger.
    """
    with torch.inference_mode(), unrounded_inputs():
        return 2 * _difference(answer_tensors(model, inputs), expected)


def _export_onnx(model: PreTrainedModel, inputs: Answers, expected: Answers, leeway: float, path: Path) -> float:
    """Write `model.onnx`, for any batch and length, and compare its logits; returns the largest difference."""
    export_onnx(model, inputs, path)
    batch_size = len(next(iter(expected.values())))
    runtime = OnnxRuntime(Target("export", "cpu", OnnxRuntime.name, 1, batch_size, 1))
    found = runtime.load(path)(inputs)()
    answers = (found,) if isinstance(found, torch.Tensor) else found
    difference = _difference(dict(zip(expected, answers, strict=True)), expected)
    if not difference < 10 * TOLERANCE + leeway:
        raise GreenfrontError(f"the ONNX file gives logits that differ by {difference:.2e} from the candidate's")
    return difference
