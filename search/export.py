"""Exporting a candidate: a folder that loads anywhere, loaded again in a clean process before it is called done."""

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from greenfront.config import RunConfig
from greenfront.errors import GreenfrontError, RunError
from greenfront.search.front import Front
from greenfront.search.run_folder import RunFolder
from greenfront.spaces import load_checkpoint, weight_bytes

TOLERANCE = 1e-4
"""Largest difference of a logit between the candidate here and its export in a clean process."""

AUTO_CLASS = {
    "text-classification": "AutoModelForSequenceClassification",
    "image-classification": "AutoModelForImageClassification",
}
_RELOAD = """
import sys
import greenfront
import transformers
from safetensors.torch import load_file, save_file
folder, inputs, outputs, name = sys.argv[1:]
model = getattr(transformers, name).from_pretrained(folder, local_files_only=True).eval()
save_file({"logits": model(**load_file(inputs)).logits.detach().contiguous()}, outputs)
"""


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
        RunError: no weights of this candidate are kept, or the folder exists and is not empty.
        GreenfrontError: the export doesn't load, or gives other logits.
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
        _need_onnx()
    config, model = run.load_config(), load_checkpoint(source)
    inputs = example_inputs(model, max(config.target_length(target) for target in config.hardware))
    with torch.inference_mode():
        expected = model(**inputs).logits
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}.") as temporary:
        partial = Path(temporary) / "export"
        shutil.copytree(source, partial)
        difference = (_reloaded(partial, inputs, config) - expected).abs().max().item()
        if not difference < TOLERANCE:
            raise GreenfrontError(
                f"the export of {id_} gives logits that differ by {difference:.2e} after loading it again"
            )
        onnx_difference = _export_onnx(model, inputs, expected, partial / "model.onnx") if onnx else None
        if to.exists():
            to.rmdir()
        os.replace(partial, to)
    return Exported(to, weight_bytes(to) / 1e6, difference, onnx_difference)


def example_inputs(model: PreTrainedModel, tokens: int) -> dict[str, torch.Tensor]:
    """Two texts, one of so many tokens and one of half, or two random images, as the model takes them."""
    generator = torch.Generator().manual_seed(0)
    config = model.config
    if model.main_input_name == "pixel_values":
        size = config.image_size if isinstance(config.image_size, list | tuple) else (config.image_size,) * 2
        return {"pixel_values": torch.randn(2, config.num_channels, *size, generator=generator)}
    longest = min(int(getattr(config, "max_position_embeddings", tokens)) - 2, tokens)
    ids = torch.randint(5, config.vocab_size, (2, longest), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, longest // 2 :] = 0
    ids[1, longest // 2 :] = config.pad_token_id or 0
    return {"input_ids": ids, "attention_mask": mask}


def _reloaded(folder: Path, inputs: dict[str, torch.Tensor], config: RunConfig) -> torch.Tensor:
    """The logits that a process with nothing but `import greenfront` computes."""
    with tempfile.TemporaryDirectory(prefix="greenfront-export-") as scratch:
        before, after = Path(scratch) / "inputs.safetensors", Path(scratch) / "outputs.safetensors"
        save_file(inputs, before)
        arguments = [str(folder.resolve()), str(before), str(after), AUTO_CLASS[config.model.task]]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
        ran = subprocess.run(
            [sys.executable, "-c", _RELOAD, *arguments],
            cwd=scratch,
            env=environment,
            capture_output=True,
            text=True,
        )
        if ran.returncode:
            raise GreenfrontError(f"the export doesn't load in a clean process: {ran.stderr.strip().splitlines()[-1]}")
        return load_file(after)["logits"]


def _need_onnx() -> None:
    try:
        import onnx  # noqa: F401 - an extra, looked for before anything is written
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise RunError(f"--onnx needs the extra `greenfront[onnx]` ({error})") from error


def _export_onnx(model: PreTrainedModel, inputs: dict[str, torch.Tensor], expected: torch.Tensor, path: Path) -> float:
    """Write `model.onnx` with dynamic batch and length and compare its logits; returns the largest difference."""
    import onnxruntime

    names = list(inputs)
    axes = {name: {0: "batch", 1: "length"} if inputs[name].dim() == 2 else {0: "batch"} for name in names}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter speaks about its own future
            torch.onnx.export(
                _Logits(model, names), tuple(inputs.values()), str(path), input_names=names, output_names=["logits"],
                dynamic_axes={**axes, "logits": {0: "batch"}}, dynamo=False, opset_version=17,
            )  # fmt: skip
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        (found,) = session.run(["logits"], {name: tensor.numpy() for name, tensor in inputs.items()})
    except Exception as error:  # exporter and runtime raise what they like about operators they don't know
        what = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        raise GreenfrontError(f"no ONNX file of this {type(model).__name__} can be made: {what}") from error
    difference = (torch.from_numpy(found) - expected).abs().max().item()
    if not difference < 10 * TOLERANCE:
        raise GreenfrontError(f"the ONNX file gives logits that differ by {difference:.2e} from the candidate's")
    return difference


class _Logits(torch.nn.Module):
    """Positional inputs, plain logits: what the exporter wants."""

    def __init__(self, model: PreTrainedModel, names: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *values: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(**dict(zip(self.names, values, strict=True))).logits
        return logits
