"""Exports: what is written loads again in a clean process, and a damaged one is never called done."""

import shutil
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch

from greenfront.errors import ConfigError, GreenfrontError, RunError
from greenfront.hardware_profiles.onnx_export import export_onnx
from greenfront.hardware_profiles.onnx_runtime import OnnxRuntime
from greenfront.search import RunFolder
from greenfront.search.export import example_inputs, export
from greenfront.spaces import Plan, compress, load_checkpoint, plan_of, save_checkpoint, weight_bytes
from greenfront.spaces.quantized import unrounded_inputs
from tests.search.toy_run import toy_config, toy_model, toy_space


def compressed_plan() -> Plan:
    """Ranks everywhere, and a projected attention."""
    space = toy_space()
    ranks = space.plan([1] * len(space.choices)).to_dict()
    ranks["bert.encoder.layer.0.attention.self"] = {"linformer": 4, "linformer_positions": 16}
    return Plan(ranks)


PLAN = compressed_plan()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run folder with the original and one candidate."""
    run = RunFolder.create(toy_config(tmp_path_factory.mktemp("runs") / "run"))
    save_checkpoint(toy_model(), run.original)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        candidate = compress(toy_model(), PLAN)
        for parameter in candidate.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    save_checkpoint(candidate, run.candidate(PLAN.id))
    return run


def logits(folder: Path) -> torch.Tensor:
    model = load_checkpoint(folder)
    with torch.no_grad():
        found: torch.Tensor = model(**example_inputs(model, 16)).logits
    return found


def test_the_original_is_exported_to_an_empty_folder(run: RunFolder, tmp_path: Path) -> None:
    done = export(run, "original", tmp_path)
    assert (done.folder, done.onnx_difference) == (tmp_path, None)
    assert torch.equal(logits(tmp_path), logits(run.original))
    assert plan_of(load_checkpoint(tmp_path)) == Plan()


def test_an_export_is_the_candidate_and_its_onnx_file_takes_any_batch_and_length(
    run: RunFolder, tmp_path: Path
) -> None:
    done = export(run, PLAN.id, tmp_path / "new" / "small", onnx=True)
    assert done.folder == tmp_path / "new" / "small"
    assert list(done.folder.parent.iterdir()) == [done.folder]
    assert done.size_mb == weight_bytes(run.candidate(PLAN.id)) / 1e6
    model = load_checkpoint(done.folder)
    assert plan_of(model) == PLAN
    assert torch.equal(logits(done.folder), logits(run.candidate(PLAN.id)))
    assert done.difference < 1e-4
    assert done.onnx_difference is not None
    assert done.onnx_difference < 1e-3
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

    def copy_with_damage(source: Path, target: Path) -> None:
        copy(source, target)
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


def test_whole_numbers_are_exported_as_such(run: RunFolder, tmp_path: Path) -> None:
    """Their logits may be as far apart as rounding changes them, in another process or runtime."""
    linears = [choice.site.path for choice in toy_space().choices if choice.site.kind == "linear"]
    plan = Plan({path: {"rank": 2, "bits": 8} for path in linears})
    candidate = compress(toy_model(), plan)
    save_checkpoint(candidate, run.candidate(plan.id))
    done = export(run, plan.id, tmp_path / "small", onnx=True)
    with unrounded_inputs():
        unrounded = logits(done.folder)
    rounding = (unrounded - logits(done.folder)).abs().max().item()
    assert rounding > 1e-6
    assert done.difference <= 1e-4 + 2 * rounding
    assert done.onnx_difference is not None
    assert done.onnx_difference <= 1e-3 + 2 * rounding
    kinds = {tensor.data_type for tensor in onnx.load(done.folder / "model.onnx").graph.initializer}
    assert onnx.TensorProto.INT8 in kinds
