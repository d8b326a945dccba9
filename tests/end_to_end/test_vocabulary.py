"""A vocabulary trimmed by an example: searched, exported, and loaded with its tokenizer in a clean process."""

import csv
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from tests.end_to_end.small_form import SMALL, small_form
from tests.end_to_end.tiny_task import LABELS, environment, greenfront, rows, save_encoder, save_word_pieces, write_csv

WIDTH = 64
UNSEEN = "abbq"
"""A word of the vocabulary that only test texts have."""
ANSWER = """
import csv, sys
import greenfront, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
folder, table = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
with torch.no_grad():
    for row in csv.DictReader(open(table)):
        found = model(**tokenizer(row["text"], truncation=True, max_length=32, return_tensors="pt")).logits[0]
        print(model.config.id2label[int(found.argmax())])
"""


@dataclass(frozen=True)
class Searched:
    """A finished search with a trimmed vocabulary."""

    folder: Path
    said: str

    @property
    def front(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / "run" / "front.json").read_text())
        return document

    @property
    def member(self) -> dict[str, Any]:
        return next(candidate for candidate in self.front["candidates"] if candidate["verified"])

    def tokenizer(self, folder: str) -> Any:
        return AutoTokenizer.from_pretrained(self.folder / folder)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    folder = tmp_path_factory.mktemp("trimmed")
    save_encoder(folder / "encoder", WIDTH, save_word_pieces)
    content = rows(330, seed=0)
    write_csv(folder / "train.csv", content[:270])
    write_csv(folder / "test.csv", [*content[270:320], *((f"{text} {UNSEEN}", label) for text, label in content[320:])])
    small_form(
        "reuters-tight", folder / "run.yaml", model={"path": "encoder"},
        data={"train": "train.csv", "test": "test.csv", "max_length": 32}, hardware={**SMALL["hardware"], "seconds": 8},
        space={"methods": ["low_rank"], "low_rank": {"ranks": [8, 24]}},
    )  # fmt: skip
    return Searched(folder, greenfront("search", "run.yaml", cwd=folder).stdout)


def test_the_original_stays_whole_and_candidates_are_smaller(searched: Searched) -> None:
    whole, trimmed = len(searched.tokenizer("encoder")), len(searched.tokenizer("run/trimmed"))
    assert 100 < trimmed < whole - 300
    original, member = searched.front["original"], searched.member
    lost = (whole - trimmed) * WIDTH
    for costs in ("cost", "predicted"):
        assert original[costs]["here"]["parameters"] - member[costs]["here"]["parameters"] > lost
        assert original[costs]["here"]["size_mb"] - member[costs]["here"]["size_mb"] > lost * 4 / 1e6
    assert original["predicted"]["here"]["parameters"] == original["cost"]["here"]["parameters"]
    assert original["predicted"]["here"]["size_mb"] == pytest.approx(original["cost"]["here"]["size_mb"], rel=0.05)
    assert json.loads((searched.folder / "run/original/config.json").read_text())["vocab_size"] == whole
    folder = searched.folder / "run/candidates" / member["id"]
    assert json.loads((folder / "config.json").read_text())["vocab_size"] == trimmed


def test_what_test_texts_lose_is_said(searched: Searched) -> None:
    trimmed = len(searched.tokenizer("run/trimmed"))
    assert f"{trimmed} of {len(searched.tokenizer('encoder'))} tokens are kept" in searched.said
    assert re.search(r"\b0 of \d+ validation tokens \(0.00%\) aren't among them$", searched.said, re.MULTILINE)
    # One in each of ten texts.
    assert re.search(r"\b10 of \d+ test tokens \(\d\.\d\d%\) aren't among them, and are read in sm", searched.said)
    before, after = searched.tokenizer("encoder"), searched.tokenizer("run/trimmed")
    assert before.tokenize(f"rain {UNSEEN} ☃") == ["rain", UNSEEN, "[UNK]"]
    assert after.tokenize(f"rain {UNSEEN} ☃") == ["rain", "a", "##b", "##b", "##q", "[UNK]"]


def test_an_export_answers_in_a_clean_process_as_the_candidate_did(searched: Searched) -> None:
    member = searched.member
    greenfront("export", "run", member["id"], "--to", "small", cwd=searched.folder)
    ran = subprocess.run(
        [sys.executable, "-c", ANSWER, "small", "test.csv"],
        cwd=searched.folder, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    with (searched.folder / "test.csv").open(encoding="utf-8") as file:
        right = [row["label"] for row in csv.DictReader(file)]
    answers = ran.stdout.split()
    assert set(answers) <= set(LABELS)
    accuracy = sum(a == b for a, b in zip(answers, right, strict=True)) / len(right)
    assert accuracy == pytest.approx(member["score"]["test"])
