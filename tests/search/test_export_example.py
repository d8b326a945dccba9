"""`example.py`: for every task it runs beside the ONNX file as it is, is short, and answers as the model does."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

from greenfront.config import DataConfig
from greenfront.hardware_profiles.onnx_export import export_onnx
from greenfront.search.export import example_inputs
from greenfront.search.export_example import example_script
from greenfront.spaces import save_checkpoint
from tests.end_to_end.tiny_task import save_tokenizer
from tests.spaces.models import randomized

TEXT, OTHER = "the ball in the rain", "a cold market"
LABELS = {0: "sport", 1: "trade", 2: "weather"}


def bert(kind: Any, vocabulary: int) -> PreTrainedModel:
    labels = {} if kind is BertForQuestionAnswering else {"id2label": LABELS}
    sizes: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, **labels}
    model: PreTrainedModel = kind(
        BertConfig(**sizes, intermediate_size=32, vocab_size=vocabulary, max_position_embeddings=64)
    )
    return model


def gpt2(vocabulary: int) -> PreTrainedModel:
    sizes: dict[str, int] = {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 64, "bos_token_id": 2}
    return GPT2LMHeadModel(GPT2Config(vocab_size=vocabulary, eos_token_id=3, **sizes))  # type: ignore[arg-type]


def vit(_: int) -> PreTrainedModel:
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    return ViTForImageClassification(ViTConfig(**sizes, image_size=16, patch_size=4, id2label=LABELS))  # type: ignore[arg-type]


def texts(model: PreTrainedModel, tokenizer: Any, *given: str) -> str:
    return LABELS[int(model(**tokenizer(*given, return_tensors="pt")).logits[0].argmax())]


def words(model: PreTrainedModel, tokenizer: Any, text: str) -> str:
    found = model(**tokenizer(text, return_tensors="pt")).logits[0, 1:-1].argmax(-1)
    return " ".join(f"{word}/{LABELS[int(label)]}" for word, label in zip(text.split(), found, strict=True))


def answer(model: PreTrainedModel, tokenizer: Any, question: str, context: str) -> str:
    found = model(**tokenizer(question, context, return_tensors="pt"))
    first, own = 2 + len(question.split()), context.split()
    scores = {
        (i, j): float(found.start_logits[0, first + i] + found.end_logits[0, first + j])
        for i in range(len(own)) for j in range(i, len(own))
    }  # fmt: skip
    i, j = max(scores, key=lambda span: scores[span])
    return " ".join(own[i : j + 1])


def continued(model: PreTrainedModel, tokenizer: Any, text: str) -> str:
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    for _ in range(10):
        ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(-1)], dim=1)
    return str(tokenizer.decode(ids[0]))


def image(model: PreTrainedModel, processor: Any, path: str) -> str:
    pixels = processor(Image.open(path), return_tensors="pt")
    return LABELS[int(model(**pixels).logits[0].argmax())]


TASKS: dict[str, tuple[Callable[[int], PreTrainedModel], Callable[..., str], tuple[str, ...]]] = {
    "text-classification": (lambda v: bert(BertForSequenceClassification, v), texts, (TEXT,)),
    "text-classification of pairs": (lambda v: bert(BertForSequenceClassification, v), texts, (TEXT, OTHER)),
    "token-classification": (lambda v: bert(BertForTokenClassification, v), words, (TEXT,)),
    "question-answering": (lambda v: bert(BertForQuestionAnswering, v), answer, (OTHER, TEXT)),
    "causal-language-modelling": (gpt2, continued, (TEXT,)),
    "image-classification": (vit, image, ("image.png",)),
}


@pytest.mark.parametrize("name", TASKS)
def test_the_example_answers_as_the_model_does(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make, expected, arguments = TASKS[name]
    task, pairs = name.split()[0], len(arguments) == 2 and "text" in name
    vocabulary = save_tokenizer(tmp_path)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = randomized(make(vocabulary))
    processor: Any = AutoTokenizer.from_pretrained(tmp_path)
    if task == "image-classification":
        processor = ViTImageProcessorPil(size={"height": 16, "width": 16})
    save_checkpoint(model, tmp_path, processor)
    inputs = example_inputs(model, 32)
    export_onnx(model, inputs, tmp_path / "model.onnx")
    data = DataConfig(train="t.csv", max_length=32, text_pair="other" if pairs else None)
    script = example_script(task, data, inputs, getattr(model.config, "num_channels", 3))
    assert len(script.splitlines()) <= 15
    assert all(len(line) <= 120 for line in script.splitlines())
    assert "greenfront" not in script
    (tmp_path / "example.py").write_text(script)

    monkeypatch.chdir(tmp_path)
    generator = torch.Generator().manual_seed(0)
    Image.fromarray(torch.randint(0, 256, (20, 20, 3), generator=generator).byte().numpy()).save("image.png")
    for given in ((), arguments):
        monkeypatch.setattr(sys, "argv", ["example.py", *given])
        runpy.run_path("example.py")
    without, with_arguments = capsys.readouterr().out.splitlines()
    assert without
    with torch.no_grad():
        assert with_arguments == expected(model, processor, *arguments)
