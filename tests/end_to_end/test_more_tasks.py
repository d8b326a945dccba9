"""Words, answers and running text: each task from a file to a measured front and a checked export.

Words and running text by the files of examples/, in a small form; there is no example of questions.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast

from tests.end_to_end.small_form import small_form
from tests.end_to_end.tiny_task import FILLER, TOPICS, inside, save_encoder
from tests.measuring import few_processes

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Ray's own children, at shutdown
Row = Mapping[str, Any]


def topical(rng: np.random.Generator) -> tuple[list[str], int, str]:
    """Six to twelve words, of which one, at this place, is of this topic."""
    words = [str(word) for word in rng.choice(FILLER, int(rng.integers(6, 13)))]
    topic, place = str(rng.choice(list(TOPICS))), int(rng.integers(len(words)))
    words[place] = str(rng.choice(TOPICS[topic]))
    return words, place, topic


def tagged(rng: np.random.Generator) -> Row:
    """The topical word is an entity."""
    words, place, topic = topical(rng)
    labels = ["O"] * len(words)
    labels[place] = f"B-{topic}"
    return {"words": words, "tags": labels}


def asked(rng: np.random.Generator) -> Row:
    """The topical word is the answer, whatever the question is."""
    words, place, _ = topical(rng)
    start = len(" ".join([*words[:place], ""]))
    return {
        "question": "is it the",
        "context": " ".join(words),
        "answers": {"text": [words[place]], "answer_start": [start]},
    }


def told(rng: np.random.Generator) -> Row:
    """One word always follows another."""
    words = [word for topic in TOPICS.values() for word in topic]
    start = int(rng.integers(len(words)))
    return {"text": " ".join(words[(start + step) % len(words)] for step in range(20))}


def save_rows(folder: Path, make: Callable[[np.random.Generator], Row]) -> None:
    """240 rows to train on and 40 to test."""
    rng = np.random.default_rng(0)
    for name, count in (("train", 240), ("test", 40)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(make(rng)) + "\n" for _ in range(count)))


def save_decoder(folder: Path) -> None:
    """A GPT-2 of two layers without a head, and a tokenizer of words."""
    words = ("<end>", *(word for topic in TOPICS.values() for word in topic))
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<end>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", unk_token="<end>").save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        GPT2Model(
            GPT2Config(
                n_embd=64, n_layer=2, n_head=4, n_positions=32, vocab_size=len(words), tie_word_embeddings=False,
                bos_token_id=0, eos_token_id=0,
            )
        ).save_pretrained(folder)  # fmt: skip


TASKS: dict[str, tuple[str, Callable[[np.random.Generator], Row], dict[str, Any], dict[str, float]]] = {
    "token-classification": ("brown", tagged, {"metric": "entity_f1"}, {"score": 0.9}),
    "question-answering": ("brown", asked, {"text": "text", "label": "label"}, {"score": 0.9}),
    "causal-language-modelling": ("news-gpt2", told, {}, {"perplexity": 2.0}),
}
"""The example whose small form is searched, its rows, what is said of them, and what the original reaches."""


@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_searched_selected_and_exported(task: str, tmp_path: Path) -> None:
    name, make, said_of_data, wanted = TASKS[task]
    save_rows(tmp_path, make)
    if task == "causal-language-modelling":
        save_decoder(tmp_path / "model")
    else:
        save_encoder(tmp_path / "model", width=64)
    small_form(
        name, tmp_path / "run.yaml", model={"path": "model", "task": task},
        data={"train": "train.jsonl", "test": "test.jsonl", **said_of_data},
        space={"methods": ["low_rank"], "low_rank": {"ranks": [8, 24]}},
    )  # fmt: skip
    with few_processes():
        said = inside(tmp_path, "search", "run.yaml")
    assert "Fine-tuning the original, whose head is untrained" in said
    front = json.loads((tmp_path / "run" / "front.json").read_text())
    score = front["original"]["score"]
    low, high = score["test_interval"]
    assert low <= score["test"] <= high
    if "perplexity" in wanted:
        assert score["metric"] == "perplexity"
        assert 1 < score["test"] < wanted["perplexity"]
        assert f"{score['validation']:.2f} → {score['test']:.2f}" in said
    else:
        assert score["test"] > wanted["score"]
    member = next(candidate for candidate in front["candidates"] if candidate["verified"])
    assert member["cost"]["here"]["flops"] < front["original"]["cost"]["here"]["flops"]
    assert member["score"]["metric"] == score["metric"]
    exported = inside(tmp_path, "export", "run", member["id"], "--to", "small", "--onnx")
    assert "loaded again in a clean process" in exported
    assert {path.name for path in (tmp_path / "small").iterdir()} >= {
        "config.json", "model.safetensors", "model.onnx", "tokenizer.json"
    }  # fmt: skip
