"""Which columns hold what a task reads: by their names where they are usual ones, else by what stands in them."""

from collections.abc import Mapping, Sequence
from typing import Any

from greenfront.evaluators.columns import Column
from greenfront.evaluators.names import listed
from greenfront.guess import Guess

TEXTS = (
    "text", "sentence", "content", "document", "review", "body", "message", "article", "comment", "tweet", "headline",
    "title", "question", "query", "utterance", "description",
)  # fmt: skip
LABELS = (
    "label", "labels", "class", "category", "target", "topic", "sentiment", "intent", "emotion", "y", "tag", "rating",
    "stars",
)  # fmt: skip
WORDS, TAGS = ("words", "tokens", "text"), ("tags", "ner_tags", "pos_tags", "labels", "label", "ner", "pos")
PAIRS = (
    ("premise", "hypothesis"), ("sentence1", "sentence2"), ("question1", "question2"), ("question", "sentence"),
    ("query", "passage"), ("text1", "text2"), ("text_a", "text_b"), ("text", "text_pair"),
)  # fmt: skip
"""Usual names, the most usual first."""
Found = list[Guess] | None
"""A guess of every column that a task reads; None where some of them isn't there."""
Given = Mapping[str, object]
"""Keys that are settled, and their columns."""


def text_classification(columns: Sequence[Column], given: Given) -> Found:
    """A text, or a pair of them, and a label."""
    label = _label(columns, _texts(columns, given), given)
    texts = [column for column in _texts(columns, given) if label is None or column.name != label.value]
    if label is None or not texts:
        return None
    names = {column.name for column in texts}
    pair = next((pair for pair in PAIRS if names.issuperset(pair) and given.get("data.text", pair[0]) == pair[0]), None)
    if pair is not None:
        why = "two texts of the usual names"
        return [Guess("data.text", pair[0], why), Guess("data.text_pair", pair[1], why), label]
    return [_text(texts), label]


def image_classification(columns: Sequence[Column], given: Given) -> Found:
    """An image and a label."""
    images = _first([column for column in columns if column.kind == "image"], given.get("data.image"))
    label = _label(columns, images, given)
    if label is None or not images:
        return None
    return [Guess("data.image", images[0].name, "images", _others(images[1:], "images")), label]


def token_classification(columns: Sequence[Column], given: Given) -> Found:
    """Words and as many labels, as lists or parted by spaces."""
    lists = [column for column in columns if column.kind in ("list", "text")]
    found = [
        (words, tags) for words in lists for tags in lists
        if given.get("data.text", words.name) == words.name and given.get("data.label", tags.name) == tags.name
        and _tags_of(words, tags)
    ]  # fmt: skip
    if not found:
        return None
    words, tags = min(found, key=lambda pair: (_place(pair[0], WORDS), _place(pair[1], TAGS)))
    others = [other for _, other in found if other not in (words, tags)]
    return [
        Guess("data.text", words.name, "lists of words" if words.kind == "list" else "text, a word a label"),
        Guess("data.label", tags.name, f"as many of them as words, {_different(tags)} different ones",
              _others(list(dict.fromkeys(others)), "a label a word")),
    ]  # fmt: skip


def question_answering(columns: Sequence[Column], given: Given) -> Found:
    """Answers with their places, a context and a question."""
    answers = _first([column for column in columns if column.kind == "answers"], given.get("data.answers"))
    texts = sorted((column for column in columns if column.kind == "text"), key=lambda column: -column.words)
    if not answers or len(texts) < 2:
        return None
    context, *rest = _first(texts, given.get("data.context", "context"))
    question, *_ = rest = _first(rest, given.get("data.question", "question"))
    usual = question.name == "question"
    return [
        Guess("data.context", context.name, "the longer texts" if context is texts[0] else "the usual name"),
        Guess("data.question", question.name, "the usual name" if usual else "the texts beside the context",
              "" if usual else _others(rest[1:], "text")),
        Guess("data.answers", answers[0].name, "answers and where they start"),
    ]  # fmt: skip


def causal_language_modelling(columns: Sequence[Column], given: Given) -> Found:
    """A text."""
    texts = _texts(columns, given)
    return [_text(texts)] if texts else None


def _text(texts: Sequence[Column]) -> Guess:
    first = texts[0]
    why = f"{first.words:.0f} words in the mean"
    rivals = [text for text in _rivals(texts, TEXTS) if text.words >= 3]
    return Guess("data.text", first.name, why, _others(rivals, "text"))


def _texts(columns: Sequence[Column], given: Given) -> list[Column]:
    """Columns of text, the likeliest to be read first: usual names, then length. One of few words is none of them where
    it holds the same ones again and again."""
    texts = [
        column for column in columns
        if column.kind == "text" and column.name != given.get("data.label")
        and (column.name.lower() in TEXTS or column.words >= 3 or not column.repeats)
    ]  # fmt: skip
    return _first(
        sorted(texts, key=lambda column: (_place(column, TEXTS), -column.words)), given.get("data.text")
    )  # fmt: skip


def _first(columns: Sequence[Column], name: object) -> list[Column]:
    """The same columns, the one of this name before the others."""
    return sorted(columns, key=lambda column: column.name != name)


def _label(columns: Sequence[Column], inputs: Sequence[Column], given: Given) -> Guess | None:
    """The column of classes, beside one that is read; None where none of them could be it."""
    if "data.label" in given:
        return Guess("data.label", given["data.label"], "as given")
    usual = [column for column in columns if column.name.lower() in LABELS and column.kind in _CLASSES]
    likely = [column for column in columns if column.kind in _CLASSES and (column.kind == "class" or column.repeats)]
    likely = [column for column in likely if column.words < 3 or column.name.lower() in LABELS]
    found = list(dict.fromkeys(
        sorted((*usual, *likely), key=lambda column: (_place(column, LABELS), column.kind != "class", column.distinct))
    ))  # fmt: skip
    found = [column for column in found if column.name != (inputs[0].name if inputs else None)]
    if not found:
        return None
    first = found[0]
    names = listed(sorted({str(value) for value in first.values}), 4)
    counted = "class" if first.distinct == 1 else "classes"
    why = f"{first.distinct} {counted}" + (f": {names}" if first.kind == "text" else "")
    doubt = _others(_rivals(found, LABELS), "classes")
    if first.distinct < 2:
        doubt = "all rows that were looked at are of one class"
    elif not first.repeats and first.kind != "class":
        doubt = f"{first.distinct} values in {len(first.values)} rows: are these classes?"
    return Guess("data.label", first.name, why, doubt)


_CLASSES = ("class", "text", "whole number")


def _rivals(found: Sequence[Column], names: Sequence[str]) -> list[Column]:
    """Who could be meant instead of the first one: where that has a usual name, others that have one."""
    first, *others = found
    return [other for other in others if _place(first, names) == len(names) or _place(other, names) < len(names)]


def _tags_of(words: Column, tags: Column) -> bool:
    """Whether one column has a label for every word of another: as many in every row, few different ones."""
    if words is tags or len(words.values) != len(tags.values) or not words.values:
        return False
    pairs = [(_parts(w), _parts(t)) for w, t in zip(words.values, tags.values, strict=True)]
    if any(len(w) != len(t) for w, t in pairs) or not all(isinstance(word, str) for w, _ in pairs for word in w):
        return False
    if all(len(w) == 1 for w, _ in pairs) or not all(isinstance(tag, str | int) for _, t in pairs for tag in t):
        return False
    return _different(tags) < _different(words) and 4 * _different(tags) <= sum(len(t) for _, t in pairs)


def _parts(value: object) -> list[Any]:
    return value if isinstance(value, list) else str(value).split()


def _different(column: Column) -> int:
    return len({part for value in column.values for part in map(str, _parts(value))})


def _place(column: Column, names: Sequence[str]) -> int:
    """Where a column's name stands among the usual ones; behind all of them where it is none."""
    name = column.name.lower()
    return names.index(name) if name in names else len(names)


def _others(columns: Sequence[Column], what: str) -> str:
    """The doubt that these columns hold the same kind of thing."""
    if not columns:
        return ""
    names = listed((f"`{column.name}`" for column in columns), 4)
    return f"{names} {'holds' if len(columns) == 1 else 'hold'} {what}, too"
