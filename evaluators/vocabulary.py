"""Trimming a tokenizer: fewer tokens, and every text still falls into tokens that are left.

Works on the JSON of the `tokenizers` library. What is kept beside the tokens asked for is what makes it exact: a text
whose tokens are all kept is cut into the same ones as before, any other one into smaller pieces, and what was unknown
stays so.

- WordPiece takes the longest token first: without tokens that a word isn't made of, the longest is the same. Single
  characters are kept, so that every word ends in pieces, and tokens of characters that aren't tokens themselves.
- BPE merges pairs in a fixed order: kept is every merge that makes a kept token, with both its parts, and every single
  character (of byte-level tokenizers, the 256 bytes).
- Unigram takes the likeliest cut: without some of the others it is still the likeliest. Kept are the same, and the
  least likely piece, which says what an unknown character costs.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from greenfront.errors import ConfigError

Json = dict[str, Any]
"""A tokenizer, or its model, as the `tokenizers` library writes it."""


def kept_tokens(tokenizer: Json, used: Collection[int]) -> list[int]:
    """The ids of the tokens to keep, ascending: those used, all special and added ones, and what those need.

    Raises:
        ConfigError: a tokenizer of another kind, whose other words would become unknown.
    """
    model = tokenizer["model"]
    kind = model.get("type")
    if kind not in _NEEDED:
        raise ConfigError(
            f"space.embeddings.trim: the tokenizer must be of {', '.join(_NEEDED)}, which cut words into pieces, "
            f"but is of {kind}"
        )
    vocabulary = _vocabulary(model)
    added = {token["id"] for token in tokenizer["added_tokens"]}
    wanted = {*used, *added, *_special(tokenizer)}
    return sorted(wanted | _NEEDED[kind](model, vocabulary, wanted))


def trimmed_tokenizer(tokenizer: Json, kept: Sequence[int]) -> Json:
    """The tokenizer with these tokens alone; the i-th of `kept` has the id i."""
    position = {number: place for place, number in enumerate(kept)}
    model = dict(tokenizer["model"])
    vocabulary = {token: position[n] for token, n in _vocabulary(model).items() if n in position}
    if isinstance(model["vocab"], list):
        model["vocab"] = [piece for number, piece in enumerate(model["vocab"]) if number in position]
    else:
        model["vocab"] = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
    if "merges" in model:
        whole = [(merge, _pair(merge)) for merge in model["merges"]]
        model["merges"] = [m for m, (a, b) in whole if {a, b, _merged(model, a, b)} <= vocabulary.keys()]
    if model.get("unk_id") is not None:
        model["unk_id"] = position[model["unk_id"]]
    padding = tokenizer.get("padding")
    return {
        **tokenizer,
        "model": model,
        "added_tokens": [{**token, "id": position[token["id"]]} for token in tokenizer["added_tokens"]],
        "post_processor": _renumbered(tokenizer.get("post_processor"), position.__getitem__),
        "padding": padding and {**padding, "pad_id": position.get(padding["pad_id"], 0)},
    }


def _vocabulary(model: Json) -> dict[str, int]:
    """The model's own tokens with their ids."""
    if isinstance(model["vocab"], list):
        return {piece: number for number, (piece, _) in enumerate(model["vocab"])}
    return dict(model["vocab"])


def _word_piece(model: Json, vocabulary: Mapping[str, int], used: Collection[int]) -> set[int]:
    prefix = model["continuing_subword_prefix"]

    def in_characters(token: str) -> set[str]:
        inside, letters = token.startswith(prefix), token.removeprefix(prefix)
        return {f"{prefix}{letter}" if inside or place else letter for place, letter in enumerate(letters)}

    return _irreplaceable(vocabulary, in_characters)


def _bpe(model: Json, vocabulary: Mapping[str, int], used: Collection[int]) -> set[int]:
    prefix, suffix = model.get("continuing_subword_prefix") or "", model.get("end_of_word_suffix") or ""
    parts: dict[str, list[str]] = defaultdict(list)
    for first, second in map(_pair, model["merges"]):
        parts[_merged(model, first, second)] += [first, second]
    tokens = {token for token in vocabulary if len(token.removeprefix(prefix).removesuffix(suffix)) == 1}
    tokens |= _bytes(model, vocabulary) | {token for token, number in vocabulary.items() if number in used}
    new = list(tokens)
    while new:
        found = set(parts[new.pop()]) - tokens
        tokens |= found
        new += found
    return {vocabulary[token] for token in tokens}


def _unigram(model: Json, vocabulary: Mapping[str, int], used: Collection[int]) -> set[int]:
    least = min(range(len(model["vocab"])), key=lambda number: model["vocab"][number][1])
    return {least, *_irreplaceable(vocabulary, set), *(vocabulary[token] for token in _bytes(model, vocabulary))}


_NEEDED: dict[str, Callable[[Json, Mapping[str, int], Collection[int]], set[int]]] = {
    "WordPiece": _word_piece, "BPE": _bpe, "Unigram": _unigram
}  # fmt: skip
"""What each kind of model needs so that used tokens are found, and every text falls into tokens."""


def _irreplaceable(vocabulary: Mapping[str, int], in_characters: Callable[[str], set[str]]) -> set[int]:
    """Single characters, and the tokens that can't be cut into them: a character of theirs is no token alone."""
    return {
        number
        for token, number in vocabulary.items()
        if len(characters := in_characters(token)) == 1 or not characters <= vocabulary.keys()
    }


def _bytes(model: Json, vocabulary: Mapping[str, int]) -> set[str]:
    """The tokens that stand for bytes of characters without one of their own."""
    return {f"<0x{byte:02X}>" for byte in range(256)} & vocabulary.keys() if model.get("byte_fallback") else set()


def _pair(merge: str | list[str]) -> tuple[str, str]:
    """The two parts of a merge, which older files write as one text."""
    first, second = merge.split(" ") if isinstance(merge, str) else merge
    return first, second


def _merged(model: Json, first: str, second: str) -> str:
    return first + second.removeprefix(model.get("continuing_subword_prefix") or "")


def _special(tokenizer: Json) -> set[int]:
    """The unknown token, and those that the post-processor sets around a text."""
    model = tokenizer["model"]
    found = {_vocabulary(model)[model["unk_token"]]} if model.get("unk_token") in _vocabulary(model) else set()
    if model.get("unk_id") is not None:
        found.add(model["unk_id"])

    def seen(number: int) -> int:
        found.add(number)
        return number

    _renumbered(tokenizer.get("post_processor"), seen)
    return found


def _renumbered(part: Any, number: Callable[[int], int]) -> Any:
    """A post-processor with other ids: those of templates (`ids`), and of BERT's and RoBERTa's frame (`sep`, `cls`)."""
    if isinstance(part, list):
        return [_renumbered(each, number) for each in part]
    if not isinstance(part, dict):
        return part
    found = {}
    for key, value in part.items():
        if key == "ids" and isinstance(value, list):
            found[key] = [number(old) for old in value]
        elif key in ("sep", "cls") and isinstance(value, list):
            found[key] = [value[0], number(value[1])]
        else:
            found[key] = _renumbered(value, number)
    return found
