"""Trimmed tokenizers: what only kept tokens are needed for is read as before, everything else in pieces."""

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Encoding, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from greenfront.errors import ConfigError
from greenfront.evaluators.vocabulary import kept_tokens, trimmed_tokenizer

WORDS = (
    "render",
    "rendering",
    "rent",
    "rents",
    "tender",
    "tendered",
    "under",
    "understood",
    "stood",
    "standing",
    "ran",
    "turned",
)
CORPUS = [f"{first} {second}" for first in WORDS for second in WORDS]


def word_piece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=70, special_tokens=special))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def byte_level_bpe() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=310, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    tokenizer.add_special_tokens(["<mask>"])  # behind the model's own tokens
    return tokenizer


def bpe_with_affixes() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", continuing_subword_prefix="@", end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=75, special_tokens=["<unk>"], continuing_subword_prefix="@", end_of_word_suffix="</w>"
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=50, special_tokens=["<pad>", "<unk>"], unk_token="<unk>")
    tokenizer.train_from_iterator(CORPUS, trainer)
    template = [("<pad>", 0)]
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <pad>", special_tokens=template)
    return tokenizer


KINDS: dict[str, Callable[[], Tokenizer]] = {
    "WordPiece": word_piece, "byte-level BPE": byte_level_bpe, "BPE": bpe_with_affixes, "Unigram": unigram
}  # fmt: skip
UNKNOWN = {"WordPiece": "[UNK]", "BPE": "<unk>", "Unigram": "<unk>"}


@cache
def whole(kind: str) -> tuple[Tokenizer, dict[str, Any]]:
    tokenizer = KINDS[kind]()
    return tokenizer, json.loads(tokenizer.to_str())


def trimmed_to(kind: str, texts: Sequence[str]) -> tuple[Tokenizer, list[int]]:
    tokenizer, plain = whole(kind)
    kept = kept_tokens(plain, {number for text in texts for number in tokenizer.encode(text).ids})
    return Tokenizer.from_str(json.dumps(trimmed_tokenizer(plain, kept))), kept


def unknown(kind: str, tokenizer: Tokenizer) -> int | None:
    return tokenizer.token_to_id(UNKNOWN[kind]) if kind in UNKNOWN else None


def covered(text: str, encoding: Encoding) -> set[int]:
    """The characters, but for spaces, that some token stands for."""
    return {place for start, end in encoding.offsets for place in range(start, end) if text[place] != " "}


letters = st.text(alphabet="rendtsuigoa ", min_size=1, max_size=24)
words = st.lists(st.sampled_from([*WORDS, "stan", "derend", "rendu"]), min_size=1, max_size=4).map(" ".join)
texts = st.lists(st.one_of(words, letters), min_size=1, max_size=3)


@pytest.mark.parametrize("kind", KINDS)
@given(used=texts, others=texts)
def test_texts_of_kept_tokens_are_read_as_before(kind: str, used: list[str], others: list[str]) -> None:
    before, _ = whole(kind)
    after, kept = trimmed_to(kind, used)
    for text in (*used, *others):
        old, new = before.encode(text), after.encode(text)
        if set(old.ids) <= set(kept):
            assert new.tokens == old.tokens
            assert [kept[number] for number in new.ids] == old.ids
        assert unknown(kind, after) not in new.ids or unknown(kind, before) in old.ids
        assert covered(text, new) == covered(text, old) == {place for place, letter in enumerate(text) if letter != " "}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_used_goes_and_special_tokens_stay(kind: str) -> None:
    before, plain = whole(kind)
    after, kept = trimmed_to(kind, ["rent"])
    assert len(kept) == after.get_vocab_size() < before.get_vocab_size()
    assert sorted(after.get_vocab().values()) == list(range(len(kept)))
    for token in plain["added_tokens"]:
        assert after.token_to_id(token["content"]) == kept.index(token["id"])
    assert after.token_to_id("rendering") is None
    assert after.encode("rent").tokens == before.encode("rent").tokens


@pytest.mark.parametrize("kind", KINDS)
def test_all_tokens_kept_change_nothing(kind: str) -> None:
    before, plain = whole(kind)
    kept = kept_tokens(plain, range(before.get_vocab_size()))
    assert kept == list(range(before.get_vocab_size()))
    assert trimmed_tokenizer(plain, kept) == plain


@pytest.mark.parametrize("kind", UNKNOWN)
def test_unknown_characters_stay_unknown(kind: str) -> None:
    before, _ = whole(kind)
    after, _ = trimmed_to(kind, ["rent"])
    text = "rent ☃ rent"
    assert unknown(kind, before) in before.encode(text).ids
    assert unknown(kind, after) in after.encode(text).ids
    assert after.encode(text).tokens == before.encode(text).tokens


def word_pieces_without_u() -> dict[str, Any]:
    tokens = ("[UNK]", "a", "b", "##a", "##b", "##ab", "##bu")
    return {
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "vocab": {token: number for number, token in enumerate(tokens)},
    }  # fmt: skip


def pieces_without_u() -> dict[str, Any]:
    pieces = [["<unk>", 0.0], ["a", -1.0], ["b", -2.0], ["ab", -3.0], ["bu", -4.0], ["aa", -5.0]]
    return {"type": "Unigram", "unk_id": 0, "vocab": pieces}


@pytest.mark.parametrize(("model", "dropped"), [(word_pieces_without_u(), 5), (pieces_without_u(), 3)])
def test_a_character_that_is_no_token_alone_is_kept_in_its_pieces(model: dict[str, Any], dropped: int) -> None:
    kept = kept_tokens({"model": model, "added_tokens": []}, ())
    assert kept == [number for number in range(len(model["vocab"])) if number != dropped]


def test_any_text_falls_into_the_bytes_that_are_left() -> None:
    after, _ = trimmed_to("byte-level BPE", ["rent"])
    text = "understood ☃ 東京"
    after.decoder = decoders.ByteLevel()
    assert after.decode(after.encode(text, add_special_tokens=False).ids) == text


def test_a_kept_token_keeps_the_merges_that_make_it() -> None:
    before, plain = whole("byte-level BPE")
    (number,) = before.encode("rendering", add_special_tokens=False).ids
    kept = kept_tokens(plain, {number})
    after = Tokenizer.from_str(json.dumps(trimmed_tokenizer(plain, kept)))
    assert after.encode("rendering", add_special_tokens=False).tokens == ["rendering"]
    merges = json.loads(after.to_str())["model"]["merges"]
    assert 0 < len(merges) < len(plain["model"]["merges"])


def test_merges_may_be_written_as_one_text() -> None:
    _, plain = whole("byte-level BPE")
    model = {**plain["model"], "merges": [" ".join(merge) for merge in plain["model"]["merges"]]}
    old = {**plain, "model": model}
    used = {plain["model"]["vocab"]["rendering"]}
    assert kept_tokens(old, used) == kept_tokens(plain, used)
    kept = kept_tokens(old, used)
    merges = trimmed_tokenizer(old, kept)["model"]["merges"]
    assert merges == [" ".join(merge) for merge in trimmed_tokenizer(plain, kept)["model"]["merges"]]


def test_a_tokenizer_of_whole_words_is_refused_by_name() -> None:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "rent": 1}, unk_token="[UNK]"))
    with pytest.raises(ConfigError, match=r"space\.embeddings\.trim.*WordPiece, BPE, Unigram.*but is of WordLevel"):
        kept_tokens(json.loads(tokenizer.to_str()), {1})
