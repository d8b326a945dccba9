"""Question answering: where in a context the answer to a question stands (SQuAD, Rajpurkar et al. 2016)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from transformers import AutoModelForQuestionAnswering, PretrainedConfig

from greenfront.config import DataConfig, ModelConfig
from greenfront.errors import ConfigError
from greenfront.evaluators.examples import Examples, Indices
from greenfront.evaluators.labels import NO_LABELS, Labels
from greenfront.evaluators.question_examples import QuestionExamples, Spans
from greenfront.evaluators.splits import Keys, text_keys
from greenfront.evaluators.tables import Table, texts, values
from greenfront.evaluators.task import Task
from greenfront.evaluators.text_examples import TextExamples, pack, pack_types
from greenfront.evaluators.tokenizer import layout, load_fast_tokenizer

Answer = tuple[str, int]
"""Its text, and at which character of the context it starts."""


class QuestionAnswering(Task):
    """Any `AutoModelForQuestionAnswering`; a context longer than `data.max_length` is read in overlapping windows."""

    name = "question-answering"
    head = "ForQuestionAnswering"
    auto_class = AutoModelForQuestionAnswering
    metrics = ("answer_f1", "exact_match")
    takes_scripts = False

    def columns(self, data: DataConfig) -> dict[str, str]:
        """The question, its context and the right answers."""
        return {"data.question": data.question, "data.context": data.context, "data.answers": data.answers}

    def processor(self, model: ModelConfig, config: PretrainedConfig, data: DataConfig) -> Any:
        """The tokenizer, which has to be a fast one; raises ConfigError where windows would overlap whole."""
        tokenizer = load_fast_tokenizer(model, config, data)
        room = data.max_length - data.max_length // 2 - tokenizer.num_special_tokens_to_add(pair=True)
        if room < 2 or (data.stride is not None and data.stride >= room):
            what = "data.max_length" if room < 2 else "data.stride"
            rule = "leave room for a context" if room < 2 else f"be below {room}, the context's least room in a window"
            raise ConfigError(f"{what}: must {rule}, but got {data.max_length if room < 2 else data.stride}")
        return tokenizer

    def labels(self, table: Table, data: DataConfig, config: PretrainedConfig) -> Labels:
        """None."""
        return NO_LABELS

    def encode(
        self, table: Table, labels: Labels, data: DataConfig, processor: Any, config: PretrainedConfig
    ) -> QuestionExamples:
        """Windows of `data.max_length` tokens, `data.stride` of which two neighbours share.

        A question is cut to half a window. Trained on is the first answer; every one is right.

        Raises:
            DataError: names a row without an answer, or with one that isn't in its context.
        """
        contexts, answers = texts(table, data.context), _answers(table, data)
        questions = _cut(texts(table, data.question), processor, data.max_length // 2)
        special = processor.num_special_tokens_to_add(pair=True)
        stride = data.stride
        if stride is None:
            stride = (data.max_length - data.max_length // 2 - special) // 2
        encoded = processor(
            questions, contexts, truncation="only_second", max_length=data.max_length, stride=stride,
            return_overflowing_tokens=True, return_offsets_mapping=True, return_attention_mask=False, verbose=False,
        )  # fmt: skip
        of_question = np.asarray(encoded["overflow_to_sample_mapping"], dtype=np.int64)
        tokens, offsets = pack(encoded["input_ids"], np.int32)
        width = int(np.diff(offsets).max())
        characters = np.concatenate([_characters(encoded, window) for window in range(len(of_question))])
        left = processor.padding_side == "left"
        spans = np.array(
            [
                _span(characters[offsets[window] : offsets[window + 1]], answers[question][0])
                + (width - (offsets[window + 1] - offsets[window]) if left else 0)
                for window, question in enumerate(of_question)
            ],
            dtype=np.int64,
        )
        types = pack_types(encoded.get("token_type_ids", []))
        windows = TextExamples(
            tokens, offsets, np.zeros(len(of_question), dtype=np.int64), types=types, **layout(processor)
        )
        return QuestionExamples(
            windows, np.searchsorted(of_question, np.arange(len(questions) + 1)), characters, spans, contexts,
            [tuple(text for text, _ in right) for right in answers], width,
        )  # fmt: skip

    def keys(self, table: Table, data: DataConfig, examples: Examples) -> Keys:
        """A hash of question and context."""
        return text_keys(zip(texts(table, data.question), texts(table, data.context), strict=True))


def _answers(table: Table, data: DataConfig) -> list[list[Answer]]:
    """The right answers of each row, which must stand where they say."""
    contexts, found = texts(table, data.context), []
    for row, (value, context) in enumerate(zip(values(table, data.answers), contexts, strict=True)):
        answers = listed_answers(value)
        if answers is None:
            raise table.row_error(
                row, f"column {data.answers!r} must hold `text` and `answer_start` of every answer, but has {value!r}"
            )
        if not answers:
            raise table.row_error(row, f"no answer in column {data.answers!r}; every question must have one")
        for text, start in answers:
            if not text or context[start : start + len(text)] != text:
                there = context[max(start, 0) : max(start, 0) + len(text)]
                raise table.row_error(
                    row, f"the answer {text!r} must stand at character {start} of its context, but {there!r} does"
                )
        found.append(answers)
    return found


def listed_answers(value: object) -> list[Answer] | None:
    """Answers of `{text: [...], answer_start: [...]}` or a list of `{text, answer_start}`; None for what is neither."""
    if isinstance(value, Mapping):
        some, starts = value.get("text"), value.get("answer_start")
        if not isinstance(some, list) or not isinstance(starts, list) or len(some) != len(starts):
            return None
        pairs = list(zip(some, starts, strict=True))
    elif isinstance(value, list) and all(isinstance(answer, Mapping) for answer in value):
        pairs = [(answer.get("text"), answer.get("answer_start")) for answer in value]
    else:
        return None
    if not all(isinstance(text, str) and isinstance(start, int) and start >= 0 for text, start in pairs):
        return None
    return pairs


def _cut(questions: list[str], processor: Any, most: int) -> list[str]:
    """The questions, without what is beyond so many tokens: some room must be left for the context."""
    encoded = processor(
        questions, add_special_tokens=False, truncation=True, max_length=most, return_offsets_mapping=True,
        return_attention_mask=False, verbose=False,
    )  # fmt: skip
    ends = [places[-1][1] if len(places) == most else None for places in encoded["offset_mapping"]]
    return [question[:end] for question, end in zip(questions, ends, strict=True)]


def _characters(encoded: Any, window: int) -> Spans:
    """(L, 2) where a window's tokens start and end in the context; -1 for others."""
    places = np.asarray(encoded["offset_mapping"][window], dtype=np.int32).reshape(-1, 2)
    return np.where(np.array([part == 1 for part in encoded.sequence_ids(window)])[:, None], places, np.int32(-1))


def _span(characters: Spans, answer: Answer) -> Indices:
    """(2,) the tokens of a window where an answer starts and ends; the first one where it isn't whole in the window."""
    text, start = answer
    end = start + len(text)
    inside = np.flatnonzero(characters[:, 0] >= 0)
    touching = inside[(characters[inside, 0] < end) & (characters[inside, 1] > start)]
    if len(touching) == 0 or characters[inside[0], 0] > start or characters[inside[-1], 1] < end:
        return np.zeros(2, dtype=np.int64)
    return np.array([touching[0], touching[-1]], dtype=np.int64)
