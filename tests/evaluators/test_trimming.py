"""Trimmed tokenizers of Transformers, as they are loaded again; and what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from greenfront.config import DataConfig, ModelConfig
from greenfront.errors import ConfigError
from greenfront.evaluators import load_data
from greenfront.evaluators.trimming import (
    check_tokenizer,
    check_trimmed,
    load_trimmed,
    lost_tokens,
    save_trimmed,
    token_ids,
    used_tokens,
)
from tests.evaluators.conftest import bert_config, tokenizer, write_csv
from tests.evaluators.test_vocabulary import CORPUS, byte_level_bpe, unigram, word_piece

CLASSES: dict[str, tuple[Callable[[], Tokenizer], dict[str, str]]] = {
    "BertTokenizer": (
        word_piece, {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    ),
    "RobertaTokenizer": (
        byte_level_bpe,
        {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>", "pad_token": "</s>",
         "unk_token": "<s>", "mask_token": "<mask>"},
    ),
    "GPT2Tokenizer": (
        byte_level_bpe, {"eos_token": "</s>", "bos_token": "</s>", "unk_token": "</s>", "pad_token": "</s>"}
    ),
    "PreTrainedTokenizerFast": (unigram, {"pad_token": "<pad>", "unk_token": "<unk>"}),
}  # fmt: skip


def save(folder: Path, name: str) -> Any:
    """A tokenizer of this class, as a checkpoint carries it."""
    make, special = CLASSES[name]
    folder.mkdir(exist_ok=True)
    make().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name, **special}))
    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("name", CLASSES)
def test_a_trimmed_tokenizer_loads_as_its_class_and_reads_as_before(name: str, tmp_path: Path) -> None:
    whole = save(tmp_path / "whole", name)
    used = {*whole(CORPUS[5])["input_ids"], *whole.all_special_ids}
    kept = save_trimmed(whole, used, tmp_path / "trimmed")
    found = load_trimmed(tmp_path / "trimmed")
    assert type(found) is type(whole)
    assert len(found) == len(kept) < len(whole)
    assert {token: kept[number] for token, number in found.get_vocab().items()}.items() <= whole.get_vocab().items()
    assert found.all_special_tokens == whole.all_special_tokens
    assert [kept[number] for number in found.all_special_ids] == whole.all_special_ids
    for one, other in ((CORPUS[5], None), (CORPUS[5], CORPUS[5])):
        old, new = whole(one, other), found(one, other)
        assert [kept[number] for number in new["input_ids"]] == old["input_ids"]
        assert new.get("token_type_ids") == old.get("token_type_ids")
    found.save_pretrained(tmp_path / "again")
    again = load_trimmed(tmp_path / "again")
    assert all(again(text)["input_ids"] == found(text)["input_ids"] for text in CORPUS)


def task(folder: Path, **data: Any) -> tuple[ModelConfig, DataConfig]:
    """A BERT with pieces of words for tokens; `understood` and `stood` stand in the test split alone."""
    vocabulary = len(save(folder / "bert", "BertTokenizer"))
    bert_config(vocab_size=vocabulary).save_pretrained(folder / "bert")
    seen = [text for text in CORPUS if "stood" not in text]
    rows = [(text, "short" if len(text) < 12 else "long") for text in seen]
    write_csv(folder / "train.csv", rows[:60])
    write_csv(folder / "validation.csv", rows[60:80])
    write_csv(folder / "test.csv", [*rows[80:], ("understood stood", "long")])
    files = {name: str(folder / f"{name}.csv") for name in ("train", "validation", "test")}
    model = ModelConfig(path=str(folder / "bert"), task="text-classification")
    return model, DataConfig(**{"max_length": 16, **files, **data})


def test_data_are_read_as_before_and_what_the_test_split_loses_is_counted(tmp_path: Path) -> None:
    model, data = task(tmp_path)
    before, whole = load_data(model, data, 0)
    used = used_tokens(model, data, 0, before, whole)
    assert used >= {*token_ids(before.train), *token_ids(before.validation), *whole.all_special_ids}
    kept = save_trimmed(whole, used, tmp_path / "trimmed")
    after, _ = load_data(model, data, 0, processor=load_trimmed(tmp_path / "trimmed"))
    check_trimmed(before, after, kept)
    assert lost_tokens(before.train, kept) == (0, len(token_ids(before.train)))
    unseen = set(whole("understood stood")["input_ids"]) - set(kept)
    lost = int(np.isin(token_ids(before.test), list(unseen)).sum())
    assert lost_tokens(before.test, kept) == (lost, len(token_ids(before.test)))
    assert lost > 0
    assert len(token_ids(after.test)) > len(token_ids(before.test))
    with pytest.raises(ConfigError, match=r"space\.embeddings\.trim.*reads train texts otherwise"):
        check_trimmed(before, replace(after, train=after.test), kept)
    with pytest.raises(ConfigError, match="reads validation texts otherwise"):
        check_trimmed(before, replace(after, validation=after.test), kept)


def asked(number: int) -> dict[str, Any]:
    context = f"{CORPUS[number]} {CORPUS[number + 7]} {CORPUS[number + 11]}"
    word = context.split()[-2]
    answers = {"text": [word], "answer_start": [context.index(word)]}
    return {"question": f"{CORPUS[number]} {CORPUS[number + 1]} rents", "context": context, "answers": answers}


def tagged(number: int) -> dict[str, Any]:
    words = CORPUS[number].split()
    return {"text": words, "label": ["long" if len(word) > 4 else "short" for word in words]}


@pytest.mark.parametrize(
    ("task_name", "make", "tokenizer_class"),
    [
        ("question-answering", asked, "BertTokenizer"),
        ("question-answering", asked, "RobertaTokenizer"),
        ("token-classification", tagged, "BertTokenizer"),
        ("token-classification", tagged, "RobertaTokenizer"),
    ],
)
def test_windows_and_words_are_read_as_before(
    task_name: Any, make: Callable[[int], dict[str, Any]], tokenizer_class: str, tmp_path: Path
) -> None:
    vocabulary = len(save(tmp_path / "bert", tokenizer_class))
    bert_config(vocab_size=vocabulary).save_pretrained(tmp_path / "bert")
    for split, numbers in (("train", range(20)), ("test", range(70, 90))):
        lines = [json.dumps(make(number)) for number in numbers]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines))
    model = ModelConfig(path=str(tmp_path / "bert"), task=task_name)
    data = DataConfig(train=str(tmp_path / "train.jsonl"), test=str(tmp_path / "test.jsonl"), max_length=18)
    before, whole = load_data(model, data, 0)
    kept = save_trimmed(whole, used_tokens(model, data, 0, before, whole), tmp_path / "trimmed")
    assert len(kept) < vocabulary
    after, _ = load_data(model, data, 0, processor=load_trimmed(tmp_path / "trimmed"))
    check_trimmed(before, after, kept)


def test_words_beyond_the_length_are_known_too(tmp_path: Path) -> None:
    model, data = task(tmp_path, max_length=8)
    long = [(f"{'rent ' * 10}understood", "long"), ("rent tender", "short"), ("ran ran", "short"), ("ran rent", "long")]
    write_csv(tmp_path / "train.csv", long)
    read, whole = load_data(model, data, 0)
    wanted = {*whole("understood", add_special_tokens=False)["input_ids"]}
    assert wanted <= used_tokens(model, data, 0, read, whole)
    assert not wanted <= set(token_ids(read.train))
    assert len(whole("rent " * 600)["input_ids"]) > 600  # how it cuts is as it was


def test_tokenizers_that_can_not_be_trimmed_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"space\.embeddings\.trim: the tokenizer must be of WordPiece.*WordLevel"):
        check_tokenizer(tokenizer())
    with pytest.raises(ConfigError, match=r"space\.embeddings\.trim: must be false without a fast tokenizer.* object"):
        check_tokenizer(object())
