"""Saved folders: what is in them, who can load them, and what happens to the ones that are broken."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertTokenizer

from greenfront.errors import DataError, PlanError
from greenfront.spaces import Plan, compress, load_checkpoint, plan_of, save_checkpoint, weight_bytes
from tests.spaces.models import BUILDERS, Prepared, batch_for, build, logits, prepared

# Runs in a new interpreter: a user who knows Transformers, and of us no more than the import.
USER = """
import sys
import greenfront
heavy = {"torch", "transformers", "ray", "optuna", "datasets", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
import json
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification
model, info = AutoModelForSequenceClassification.from_pretrained(sys.argv[1], output_loading_info=True)
assert not any(info.values()), info
batch = load_file(sys.argv[2])
with torch.no_grad():
    print(json.dumps(model.eval()(**batch).logits.tolist()))
"""


def everything(ready: Prepared) -> Plan:
    """The cheapest option at every site."""
    return ready.space.plan([0] * len(ready.space.choices))


def test_transformers_loads_it_after_a_light_import(tmp_path: Path) -> None:
    ready, batch = prepared("bert"), batch_for("bert")
    built = compress(ready.model, everything(ready), ready.library)
    save_checkpoint(built, tmp_path / "saved")
    save_file(batch, tmp_path / "batch.safetensors")
    ran = subprocess.run(
        [sys.executable, "-c", USER, str(tmp_path / "saved"), str(tmp_path / "batch.safetensors")],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    answer = torch.tensor(json.loads(ran.stdout.splitlines()[-1]))
    torch.testing.assert_close(answer, logits(built, batch), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", BUILDERS)
def test_uncompressed_models_load_too(name: str, tmp_path: Path) -> None:
    model, batch = build(name), batch_for(name)
    answer = logits(model, batch)
    save_checkpoint(model.train(), tmp_path / "saved")
    loaded = load_checkpoint(tmp_path / "saved")
    assert type(loaded) is type(model)
    assert not loaded.training
    assert plan_of(loaded) == Plan()
    torch.testing.assert_close(logits(loaded, batch), answer, rtol=1e-6, atol=1e-6)


def test_it_can_be_saved_again(tmp_path: Path) -> None:
    ready, batch = prepared("bert"), batch_for("bert")
    built = compress(ready.model, everything(ready), ready.library)
    save_checkpoint(built, tmp_path / "first")
    save_checkpoint(load_checkpoint(tmp_path / "first"), tmp_path / "second")
    again = load_checkpoint(tmp_path / "second")
    assert plan_of(again) == plan_of(built)
    assert torch.equal(logits(again, batch), logits(built, batch))


def test_the_folder_holds_the_plan_and_safe_weights(tmp_path: Path) -> None:
    ready = prepared("bert")
    built = compress(ready.model, everything(ready), ready.library)
    save_checkpoint(built, tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert config["quantization_config"] == {
        "quant_method": "greenfront", "version": 1, "plan": everything(ready).to_dict()
    }  # fmt: skip
    assert {path.suffix for path in (tmp_path / "saved").iterdir()} == {".json", ".safetensors"}
    weights = 4 * sum(parameter.numel() for parameter in built.parameters())
    assert weights <= weight_bytes(tmp_path / "saved") < weights + 20_000  # and the header


def test_the_processor_is_saved_with_it(tmp_path: Path) -> None:
    tokenizer = BertTokenizer(vocab={token: n for n, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"])})
    save_checkpoint(build("bert"), tmp_path / "saved", tokenizer)
    loaded = BertTokenizer.from_pretrained(tmp_path / "saved")
    assert loaded("a")["input_ids"] == tokenizer("a")["input_ids"]


def test_saving_replaces_what_was_there(tmp_path: Path) -> None:
    folder, partial = tmp_path / "saved", tmp_path / f"saved.{os.getpid()}.partial"
    for stale in (folder, partial):
        stale.mkdir()
        (stale / "stale.txt").write_text("from before")
    save_checkpoint(build("bert"), folder)
    assert not (folder / "stale.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]
    load_checkpoint(folder)


@pytest.mark.parametrize(
    "config", [None, "", "not JSON", "[]", "{}", '{"architectures": []}', '{"architectures": null}',
               '{"architectures": ["NoSuchModel"]}']
)  # fmt: skip
def test_a_folder_that_is_no_model_is_named(tmp_path: Path, config: str | None) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(DataError, match=f"{tmp_path}: not a saved model"):
        load_checkpoint(tmp_path)


def test_weights_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    save_checkpoint(build("bert"), folder)
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    for content in (whole[:-1], whole[:100], b"junk of more than eight bytes", b""):
        weights.write_bytes(content)
        with pytest.raises(DataError, match=re.escape(f"{weights}: can't be read as weights (SafetensorError")):
            load_checkpoint(folder)
    weights.unlink()
    torch.save(build("bert").state_dict(), folder / "pytorch_model.bin")  # a pickle is not looked at
    with pytest.raises(DataError, match=re.escape(f"{folder}: not a saved model (it has no weights")):
        load_checkpoint(folder)


def test_weights_and_config_that_do_not_fit_each_other_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    save_checkpoint(build("bert"), folder)
    weights, config = folder / "model.safetensors", folder / "config.json"
    tensors, text = load_file(weights), config.read_text()
    head = tensors.pop("classifier.weight")
    for spoilt in (tensors, {**tensors, "classifier.weight": head[:1]}):
        save_file({name: tensor.clone() for name, tensor in spoilt.items()}, weights, metadata={"format": "pt"})
        with pytest.raises(DataError, match=re.escape(f"{folder}: the weights don't fit config.json: missing or")):
            load_checkpoint(folder)
    config.write_text(text.replace('"hidden_size": ', '"hidden_size": "x", "was": '))
    with pytest.raises(DataError, match=re.escape(f"{config}: no BertForSequenceClassification can be made of it (")):
        load_checkpoint(folder)


def test_a_plan_that_does_not_fit_its_model_is_named(tmp_path: Path) -> None:
    save_checkpoint(compress(build("bert"), Plan({"bert.encoder.layer.0.output.dense": {"rank": 8}})), tmp_path / "s")
    path = tmp_path / "s" / "config.json"
    path.write_text(path.read_text().replace("layer.0.output.dense", "layer.7.output.dense"))
    with pytest.raises(PlanError, match=r"layer\.7\.output\.dense: the model has no such module"):
        load_checkpoint(tmp_path / "s")
