"""A task that a small model learns in seconds, and the command line as its user starts it."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import BertWordPieceTokenizer, Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
from typer.testing import CliRunner, Result

from greenfront.cli import app

LABELS = ("sport", "trade", "weather")
TOPICS = {
    "sport": ("ball", "goal", "match", "player", "team", "coach", "league", "cup", "race", "win", "jump", "swim"),
    "trade": ("price", "market", "stock", "bank", "profit", "loan", "tax", "coin", "sale", "buyer", "rate", "debt"),
    "weather": ("rain", "snow", "wind", "storm", "cloud", "sun", "cold", "heat", "frost", "fog", "ice", "sky"),
}
FILLER = ("the", "a", "of", "in", "and", "on", "for", "with", "was", "is", "very", "not", "but", "from", "by", "it")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
OFFLINE_AND_WIDE = {"HF_HUB_OFFLINE": "1", "COLUMNS": "200"}
"""Without a network, and on a terminal wide enough that no line of a message is folded."""
PROGRAM = str(Path(sys.executable).with_name("greenfront"))


def rows(count: int, seed: int) -> list[tuple[str, str]]:
    """Distinct texts of 4 to 14 words, of which a third or more are of the label's topic."""
    rng = np.random.default_rng(seed)
    found: dict[str, str] = {}
    while len(found) < count:
        label = LABELS[len(found) % 3]
        length = int(rng.integers(4, 15))
        topical = max(1, length // 3)
        words = [*rng.choice(TOPICS[label], topical), *rng.choice(FILLER, length - topical)]
        found.setdefault(" ".join(str(word) for word in rng.permutation(words)), label)
    return list(found.items())


def write_csv(path: Path, content: Sequence[Sequence[str]], header: Sequence[str] = ("text", "label")) -> None:
    """A table with a header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *content])


def save_tokenizer(folder: Path) -> int:
    """One token per word, BERT's frame around them; gives the number of tokens."""
    words = (*SPECIAL, *FILLER, *(word for topic in TOPICS.values() for word in topic))
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    ).save_pretrained(folder)  # fmt: skip
    return len(vocabulary)


def save_word_pieces(folder: Path) -> int:
    """BERT's own tokenizer with a token per word, the pieces of others, and 400 words that no text has."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = (*FILLER, *(word for topic in TOPICS.values() for word in topic))
    others = [f"{first}{second}{letters[(7 * i + j) % 26]}q" for i, first in enumerate(letters) for j, second in
              enumerate(letters[:16])][:400]  # fmt: skip
    tokens = dict.fromkeys([*SPECIAL, "[MASK]", *letters, *(f"##{letter}" for letter in letters), *others, *words])
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = BertWordPieceTokenizer(vocabulary)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    return len(vocabulary)


def save_encoder(folder: Path, width: int = 128, tokenizer: Callable[[Path], int] = save_tokenizer) -> None:
    """A BERT of two layers without a head, and its tokenizer; wide enough that fewer ranks are faster."""
    vocabulary = tokenizer(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(
            BertConfig(
                hidden_size=width, num_hidden_layers=2, num_attention_heads=4, intermediate_size=4 * width,
                vocab_size=vocabulary, max_position_embeddings=64, pad_token_id=0,
            )
        ).save_pretrained(folder)  # fmt: skip


def build_task(folder: Path, width: int = 128) -> None:
    """`encoder/`, `train.csv` (300 rows) and `test.csv` (90)."""
    save_encoder(folder / "encoder", width)
    content = rows(390, seed=0)
    write_csv(folder / "train.csv", content[:300])
    write_csv(folder / "test.csv", content[300:])


def greenfront(*arguments: str, cwd: Path, code: int | None = 0) -> subprocess.CompletedProcess[str]:
    """Run the program as its user would; fails unless it ends with `code`."""
    ran = subprocess.run(
        [PROGRAM, *arguments], cwd=cwd, env=environment(), capture_output=True, text=True, timeout=600
    )  # fmt: skip
    if code is not None:
        assert ran.returncode == code, f"{arguments}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran


def run_inside(folder: Path, *arguments: str, code: int = 0) -> Result:
    """The program in this process, which has imported everything already; fails unless it ends with `code`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, value in OFFLINE_AND_WIDE.items():
            patch.setenv(name, value)
        handler = signal.getsignal(signal.SIGTERM)
        try:
            result = CliRunner().invoke(app, list(arguments))
        finally:
            signal.signal(signal.SIGTERM, handler)
    assert result.exit_code == code, f"{arguments}: {result.exit_code}\n{result.output}\n{result.exception!r}"
    return result


def inside(folder: Path, *arguments: str, code: int = 0) -> str:
    """What `run_inside` prints: to stderr alone where it fails."""
    result = run_inside(folder, *arguments, code=code)
    if code:
        assert result.stdout == ""
    return result.stderr if code else result.stdout


def environment() -> dict[str, str]:
    """This process's, `OFFLINE_AND_WIDE`."""
    return {**os.environ, **OFFLINE_AND_WIDE}


def edit(path: Path, values: Mapping[str, object]) -> None:
    """Set dotted keys in a file that `greenfront init` wrote, as a user does: the `# ` away, the value changed."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for dotted, value in values.items():
        place = -1
        for part in dotted.split("."):
            known = re.compile(rf"(?:# )?( *(?:- )?{part}:)(.*)")
            place, found = next(
                (number, match)
                for number, line in enumerate(lines)
                if number > place and (match := known.fullmatch(line))
            )
            lines[place] = found[1] + found[2]
        lines[place] = f"{found[1]} {value}"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
