"""The original: its head is recognised as trained or not, and what doesn't load is said."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertForSequenceClassification, BertModel, GPT2Config, GPT2ForSequenceClassification

from greenfront.config import ModelConfig, Task
from greenfront.errors import DataError
from greenfront.evaluators import load_original

SaveModel = Callable[..., ModelConfig]


def test_a_trained_head_is_kept(save_bert: SaveModel, capfd: pytest.CaptureFixture[str]) -> None:
    model = save_bert()
    capfd.readouterr()
    original, untrained = load_original(model, ("bad", "good"))
    assert capfd.readouterr() == ("", "")
    assert not untrained
    assert not original.training
    saved = BertForSequenceClassification.from_pretrained(model.path)
    assert all(torch.equal(a, b) for a, b in zip(original.parameters(), saved.parameters(), strict=True))


@pytest.mark.parametrize("names", [("good", "bad"), ("bad", "worse"), ("a", "b", "c")])
def test_a_head_of_other_labels_is_untrained(save_bert: SaveModel, names: tuple[str, ...]) -> None:
    original, untrained = load_original(save_bert(), names)
    assert untrained
    assert original.config.id2label == dict(enumerate(names))
    assert original.config.label2id == {name: position for position, name in enumerate(names)}
    assert original(input_ids=torch.tensor([[2, 4, 3]])).logits.shape == (1, len(names))


def test_a_checkpoint_without_a_head_is_untrained_and_quiet(
    save_bert: SaveModel, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    BertModel.from_pretrained(save_bert().path).save_pretrained(tmp_path / "body")
    capfd.readouterr()
    model = ModelConfig(path=str(tmp_path / "body"), task="text-classification")
    original, untrained = load_original(model, ("LABEL_0", "LABEL_1"))
    assert untrained
    assert capfd.readouterr() == ("", "")
    state = torch.get_rng_state()
    again, _ = load_original(model, ("LABEL_0", "LABEL_1"))
    assert all(torch.equal(a, b) for a, b in zip(original.parameters(), again.parameters(), strict=True))
    assert torch.equal(state, torch.get_rng_state())


def test_half_precision_weights_become_float32(save_bert: SaveModel, tmp_path: Path) -> None:
    BertForSequenceClassification.from_pretrained(save_bert().path).bfloat16().save_pretrained(tmp_path / "half")
    model = ModelConfig(path=str(tmp_path / "half"), task="text-classification")
    original, untrained = load_original(model, ("bad", "good"))
    assert not untrained
    assert {parameter.dtype for parameter in original.parameters()} == {torch.float32}


def test_a_decoder_knows_its_padding(tmp_path: Path) -> None:
    config = GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=14, n_positions=32, eos_token_id=3, bos_token_id=3)
    GPT2ForSequenceClassification(config).save_pretrained(tmp_path / "gpt2")
    original, _ = load_original(ModelConfig(path=str(tmp_path / "gpt2"), task="text-classification"), ("a", "b"))
    tokens = torch.tensor([[5, 6, 7, 3], [5, 6, 7, 8]])
    logits = original(input_ids=tokens, attention_mask=(tokens != 3).long()).logits
    alone = original(input_ids=tokens[:1, :3]).logits
    assert np.allclose(logits[:1].detach(), alone.detach(), atol=1e-5)


def test_folders_that_can_not_be_used_are_named(save_bert: SaveModel, tmp_path: Path) -> None:
    def load(path: Path | str, task: Task = "text-classification") -> None:
        load_original(ModelConfig(path=str(path), task=task), ("bad", "good"))

    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"model\.path: '.*empty' has no config\.json"):
        load(tmp_path / "empty")
    with pytest.raises(DataError, match=r"model\.path: no such folder: '/nowhere/at/all'"):
        load("/nowhere/at/all")

    folder = Path(save_bert().path)
    with pytest.raises(DataError, match=r"'.*bert' can't be loaded for image-classification \(ValueError"):
        load(folder, "image-classification")
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:100])
    with pytest.raises(DataError, match=r"'.*bert' can't be loaded for text-classification"):
        load(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"'.*bert' can't be loaded .*model\.safetensors"):
        load(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "nonesuch"}))
    with pytest.raises(DataError, match="nonesuch"):
        load(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(DataError, match=r"bert: not a saved model \(config\.json can't be read"):
        load(folder)


def test_weights_of_another_architecture_are_refused(save_bert: SaveModel, tmp_path: Path) -> None:
    folder = Path(save_bert().path)
    config = GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=14, n_positions=32)
    GPT2ForSequenceClassification(config).save_pretrained(tmp_path / "gpt2")
    (folder / "model.safetensors").write_bytes((tmp_path / "gpt2" / "model.safetensors").read_bytes())
    with pytest.raises(DataError, match=r"can't be loaded .*weights of its body are missing, such as bert\."):
        load_original(ModelConfig(path=str(folder), task="text-classification"), ("bad", "good"))


def test_a_hub_id_without_a_network_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"'some/model' is not a folder here.*hf download some/model --local-dir"):
        load_original(ModelConfig(path="some/model", task="text-classification"), ("a", "b"))


def test_a_model_that_comes_with_code_is_refused_and_its_code_not_run(save_bert: SaveModel) -> None:
    model = save_bert()
    folder = Path(model.path)
    config = json.loads((folder / "config.json").read_text())
    own = {"AutoConfig": "own.OwnConfig", "AutoModelForSequenceClassification": "own.OwnModel"}
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "own", "auto_map": own}))
    (folder / "own.py").write_text("from pathlib import Path\nPath(__file__).with_name('ran').touch()\n")
    with pytest.raises(
        DataError, match=r"comes with code of its own, which is never run; the model must be of an arch"
    ):
        load_original(model, ("bad", "good"))
    assert not (folder / "ran").exists()
