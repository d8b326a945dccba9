"""Tasks of words, answers and running text: from rows to what the model sees, and rows that can't be used."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from transformers import (
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
)

from greenfront.config import DataConfig, ModelConfig, parse_config
from greenfront.errors import ConfigError, DataError
from greenfront.evaluators import (
    QuestionExamples,
    TokenExamples,
    answer,
    fine_tune,
    get_task,
    load_data,
    load_original,
    predict,
    score,
)
from greenfront.search.metric_check import check_metric
from tests.evaluators.conftest import SPECIAL, WORDS, bert_config, tokenizer

Row = Mapping[str, Any]
Quick = Callable[..., Any]


def save(folder: Path, model: PreTrainedModel) -> Path:
    """A model with the tokenizer of words."""
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def bert(folder: Path, task: str, head: Any = BertForSequenceClassification, **settings: Any) -> ModelConfig:
    """A BERT with this head for a task."""
    torch.manual_seed(0)
    return ModelConfig.model_validate({"path": str(save(folder / "bert", head(bert_config(**settings)))), "task": task})


def gpt2(folder: Path) -> ModelConfig:
    """A GPT-2 whose output layer reads the embedding table."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(SPECIAL) + len(WORDS), n_embd=16, n_layer=1, n_head=2, n_positions=32, bos_token_id=3,
        eos_token_id=3,
    )  # fmt: skip
    return ModelConfig(path=str(save(folder / "gpt2", GPT2LMHeadModel(config))), task="causal-language-modelling")


def rows(folder: Path, content: Sequence[Row], **settings: Any) -> DataConfig:
    """The rows as train and as test split."""
    for name in ("train", "test"):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
    given = {"train": str(folder / "train.jsonl"), "test": str(folder / "test.jsonl"), "max_length": 16, **settings}
    return DataConfig.model_validate(given)


TAGGED: list[Row] = [
    {"text": ["the", "good", "film"], "label": ["O", "B-X", "I-X"]},
    {"text": ["bad", "plot"], "label": ["B-X", "O"]},
    {"text": ["very", "good"], "label": ["O", "B-X"]},
]


def test_words_are_labelled_at_their_first_token(tmp_path: Path) -> None:
    """With WordPiece, a word may be several tokens."""
    model = bert(tmp_path, "token-classification", vocab_size=8)
    for old in (tmp_path / "bert").glob("*token*"):
        old.unlink()
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL, "good", "##ness", "film", "##s"]))
    BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "bert")
    content = [{"text": ["goodness", "films", "film"], "label": ["B-X", "O", "I-X"]}] * 2
    data, _ = load_data(model, rows(tmp_path, content, max_length=8, validation=str(tmp_path / "train.jsonl")), 0)
    assert data.label_names == ("B-X", "I-X", "O")
    assert isinstance(data.test, TokenExamples)
    batch = data.test.batch(np.array([0]))
    assert batch["input_ids"].tolist() == [[2, 4, 5, 6, 7, 6, 3]]
    assert batch["labels"].tolist() == [[-100, 0, -100, 2, -100, 1, -100]]
    assert data.test.targets.tolist() == [0, 2, 1] * 2
    assert data.test.names == data.label_names


def test_words_beyond_the_length_are_asked_nothing(tmp_path: Path) -> None:
    long = {"text": ["good"] * 20, "label": ["B-X", "I-X"] * 10}
    data, _ = load_data(bert(tmp_path, "token-classification"), rows(tmp_path, [long, *TAGGED], max_length=8), 0)
    assert np.diff(data.test.rows).tolist() == [6, 3, 2, 2]


@pytest.mark.parametrize("form", ["text", "classes", "numbers"])
def test_words_and_labels_come_in_several_forms(form: str, tmp_path: Path) -> None:
    model = bert(tmp_path, "token-classification")
    plain, _ = load_data(model, rows(tmp_path, TAGGED), 0)
    names = ["B-X", "I-X", "O"]
    if form == "text":
        lines = [f"{' '.join(row['text'])},{' '.join(row['label'])}" for row in TAGGED]
        for name in ("train", "test"):
            (tmp_path / f"{name}.csv").write_text("\n".join(["text,label", *lines]))
        config = DataConfig(train=str(tmp_path / "train.csv"), test=str(tmp_path / "test.csv"), max_length=16)
    else:
        kind = datasets.ClassLabel(names=names) if form == "classes" else datasets.Value("int64")
        features = datasets.Features(
            {"text": datasets.List(datasets.Value("string")), "label": datasets.List(kind)}
        )  # fmt: skip
        content = {
            "text": [row["text"] for row in TAGGED],
            "label": [[names.index(label) for label in row["label"]] for row in TAGGED],
        }
        table = datasets.Dataset.from_dict(content, features=features)
        datasets.DatasetDict({"train": table, "test": table}).save_to_disk(str(tmp_path / "saved"))
        config = DataConfig(path=str(tmp_path / "saved"), max_length=16)
    found, _ = load_data(model, config, 0)
    assert found.label_names == (("0", "1", "2") if form == "numbers" else tuple(names))
    assert found.test.targets.tolist() == plain.test.targets.tolist()
    if form != "numbers":
        assert found.fingerprint == plain.fingerprint


ASKED: list[Row] = [
    {
        "question": "was it good",
        "context": "the film was very good and the plot was not",
        "answers": {"text": ["very good", "good"], "answer_start": [13, 18]},
    },
    {
        "question": "what was bad",
        "context": "bad plot",
        "answers": {"text": ["plot"], "answer_start": [4]},
    },
]


def test_a_long_context_is_asked_about_window_by_window(tmp_path: Path) -> None:
    first = rows(tmp_path, ASKED[:1], max_length=12, stride=2, validation=str(tmp_path / "train.jsonl"))
    data, _ = load_data(bert(tmp_path, "question-answering"), first, 0)
    assert data.label_names == ()
    found = data.test
    assert isinstance(found, QuestionExamples)
    vocabulary = [*SPECIAL, *WORDS]
    batch = found.batch(np.array([0]))
    shown = [[vocabulary[token] for token in window] for window in batch["input_ids"]]
    context = ASKED[0]["context"].split()
    assert [window[5:11] for window in shown] == [context[:6], context[4:]]
    assert batch["attention_mask"].sum(1).tolist() == [12, 12]
    assert found.rows.tolist() == [0, 4]
    # The first answer, at the third and fourth token of the context; the second window has only a part of it.
    assert found.spans.tolist() == [[5 + 3, 5 + 4], [0, 0]]
    assert found.answers == [("very good", "good")]
    right = np.full((4, 12), -9.0)
    right[0, 8] = right[1, 9] = 5.0
    assert found.predictions(right, np.array([0])) == ["very good"]


def test_both_forms_of_answers_are_read(tmp_path: Path) -> None:
    model = bert(tmp_path, "question-answering")
    found = load_data(model, rows(tmp_path, ASKED[1:], validation=str(tmp_path / "train.jsonl")), 0)[0]
    turned = {**ASKED[1], "answers": [{"text": "plot", "answer_start": 4}]}
    again = load_data(model, rows(tmp_path, [turned], validation=str(tmp_path / "train.jsonl")), 0)[0]
    assert found.fingerprint == again.fingerprint


def test_rows_of_a_span_hide_the_padding(tmp_path: Path) -> None:
    config = rows(tmp_path, ASKED, validation=str(tmp_path / "train.jsonl"))
    data, _ = load_data(bert(tmp_path, "question-answering", BertForQuestionAnswering), config, 0)
    model, untrained = load_original(ModelConfig(path=str(tmp_path / "bert"), task="question-answering"), ())
    assert not untrained
    logits = predict(model, data.test)
    lengths = data.test.batch(np.array([0, 1]))["attention_mask"].sum(1).tolist()
    assert logits.shape == (4, max(lengths))
    for row, length in enumerate(np.repeat(lengths, 2)):
        assert (logits[row, length:] == -1e4).all()
        assert (np.abs(logits[row, :length]) < 100).all()


def test_a_head_of_another_task_makes_room_for_spans(tmp_path: Path) -> None:
    model, untrained = load_original(bert(tmp_path, "question-answering", num_labels=5), ())
    assert untrained
    assert model.get_submodule("qa_outputs").out_features == 2


def test_text_is_cut_into_blocks_that_predict_their_next_tokens(tmp_path: Path) -> None:
    content = [{"text": "the film was very good"}, {"text": "not bad"}]
    config = rows(tmp_path, content, max_length=8, validation=str(tmp_path / "train.jsonl"))
    model = gpt2(tmp_path)
    data, processor = load_data(model, config, 0)
    assert isinstance(data.train, TokenExamples)
    tokens = [token for row in content for token in processor(row["text"])["input_ids"]]
    assert len(tokens) == 11
    batch = data.train.batch(np.array([0, 1]))
    assert batch["input_ids"].tolist() == [tokens[:8], [*tokens[8:], *[0] * 5]]
    assert batch["labels"].tolist() == [[*tokens[1:8], -100], [*tokens[9:], *[-100] * 6]]
    original, untrained = load_original(model, data.label_names)
    assert not untrained  # its output layer is the embedding table
    assert predict(original, data.train).shape == (9, original.config.vocab_size)


def test_a_last_block_of_one_token_is_left_out(tmp_path: Path) -> None:
    config = rows(tmp_path, [{"text": "good good good good good good good"}], validation=str(tmp_path / "train.jsonl"))
    config = config.model_copy(update={"max_length": 8})
    data, _ = load_data(gpt2(tmp_path), config, 0)
    assert data.test.rows.tolist() == [0, 7]  # nine tokens with the frame


def test_blocks_are_split_off_by_their_contents(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    content = [{"text": " ".join(rng.choice(WORDS, 40))} for _ in range(20)]
    config = rows(tmp_path, content, max_length=8).model_copy(update={"test": None})
    data, _ = load_data(gpt2(tmp_path), config, 0)
    assert len(data.train) + len(data.validation) + len(data.test) == 105
    assert len(data.test) == 10


def test_words_are_learned_to_be_told_apart(tmp_path: Path, quick: Quick) -> None:
    rng = np.random.default_rng(0)
    sentences = [list(rng.choice(WORDS, int(rng.integers(3, 9)))) for _ in range(80)]
    content = [{"text": s, "label": ["B-X" if word in ("good", "bad") else "O" for word in s]} for s in sentences]
    model = bert(tmp_path, "token-classification", BertForTokenClassification)
    data, _ = load_data(model, rows(tmp_path, content), 0)
    original, untrained = load_original(model, data.label_names)
    assert untrained
    fine_tune(original, data.train, quick(original_epochs=8.0, original_learning_rate=5e-3), seed=0)
    assert score(answer(original, data.test, "entity_f1")).value > 0.95


@pytest.mark.parametrize(
    ("task", "row", "message"),
    [
        ("token-classification", {"text": ["a", "b"], "label": ["O"]},
         r"train\.jsonl, row 3 .*one label a word, but column 'text' has 2 words and column 'label' 1 labels"),
        ("token-classification", {"text": [], "label": []}, r"row 3 .*no words in column 'text'"),
        ("token-classification", {"text": ["a"], "label": [None]},
         r"row 3 .*the label of word 1 must be text or a whole number, but column 'label' has none"),
        ("token-classification", {"text": None, "label": ["O"]}, r"row 3 .*must hold a list, or text .* but has None"),
        ("token-classification", {"text": [""], "label": ["O"]}, r"row 3 .*makes nothing of the words"),
        ("question-answering", {**ASKED[1], "answers": {"text": ["plots"], "answer_start": [4]}},
         r"train\.jsonl, row 3 .*the answer 'plots' must stand at character 4 of its context, but 'plot' does"),
        ("question-answering", {**ASKED[1], "answers": {"text": ["plot"], "answer_start": [-4]}},
         r"row 3 .*must hold `text` and `answer_start` of every answer"),
        ("question-answering", {**ASKED[1], "answers": {"text": [], "answer_start": []}},
         r"row 3 .*no answer in column 'answers'"),
        ("question-answering", {**ASKED[1], "context": None}, r"row 3 .*no text in column 'context'"),
    ],
)  # fmt: skip
def test_a_row_that_can_not_be_used_is_named(task: str, row: Row, message: str, tmp_path: Path) -> None:
    good = TAGGED[:2] if task == "token-classification" else ASKED
    with pytest.raises(DataError, match=message):
        load_data(bert(tmp_path, task), rows(tmp_path, [*good, row]), 0)


@pytest.mark.parametrize(
    ("task", "setting", "column"),
    [
        ("token-classification", "data.label", "tags"),
        ("question-answering", "data.context", "contxt"),
        ("question-answering", "data.answers", "labels"),
        ("causal-language-modelling", "data.text", "words"),
    ],
)
def test_a_missing_column_is_named_with_its_setting(task: str, setting: str, column: str, tmp_path: Path) -> None:
    content = ASKED[:1] if task == "question-answering" else TAGGED
    config = rows(tmp_path, content, **{setting.partition(".")[2]: column})
    with pytest.raises(DataError, match=rf"train\.jsonl: no column '{column}' \({setting}\); it has '"):
        load_data(bert(tmp_path, task), config, 0)


def test_settings_that_fit_no_window_or_metric_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.stride: must be below 5, .* but got 9"):
        load_data(bert(tmp_path, "question-answering"), rows(tmp_path, ASKED, stride=9), 0)
    nouns = rows(tmp_path, [{"text": ["a", "b"], "label": ["noun", "verb"]}] * 3, metric="entity_f1")
    with pytest.raises(ConfigError, match=r"entity_f1 must have labels such as .*train\.jsonl has 'noun', 'verb'"):
        load_data(bert(tmp_path, "token-classification"), nouns, 0)
    model = gpt2(tmp_path)
    bare = json.loads((tmp_path / "gpt2" / "tokenizer.json").read_text())
    (tmp_path / "gpt2" / "tokenizer.json").write_text(json.dumps({**bare, "post_processor": None}))
    with pytest.raises(DataError, match="must have two tokens or more to predict one, but has 1"):
        load_data(model, rows(tmp_path, [{"text": "good"}]), 0)


@pytest.mark.parametrize(
    ("task", "default", "other"),
    [
        ("text-classification", "accuracy", "perplexity"),
        ("token-classification", "accuracy", "exact_match"),
        ("question-answering", "answer_f1", "accuracy"),
        ("causal-language-modelling", "perplexity", "f1"),
    ],
)
def test_every_task_has_its_metrics(task: str, default: str, other: str) -> None:
    plain = {"model": {"path": "m", "task": task}, "data": {"path": "d"}}
    config = parse_config(plain)
    assert config.data.metric == default
    check_metric(config)
    for metric in get_task(task).metrics:
        check_metric(parse_config({**plain, "data": {"path": "d", "metric": metric}}))
    with pytest.raises(ConfigError, match=rf"data\.metric: must be one of .*but got '{other}'"):
        check_metric(parse_config({**plain, "data": {"path": "d", "metric": other}}))


def test_perplexity_has_no_least_value() -> None:
    plain = {"model": {"path": "m", "task": "causal-language-modelling"}, "data": {"path": "d"}}
    with pytest.raises(ConfigError, match=r"budgets\.accuracy: perplexity has no least value.*accuracy_drop"):
        check_metric(parse_config({**plain, "budgets": {"accuracy": "90%"}}))
