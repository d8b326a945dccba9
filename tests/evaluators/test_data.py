"""Data for text: read, split, encoded; what the model will see, and what is refused."""

import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoTokenizer, GPT2Config, GPT2ForSequenceClassification, PreTrainedTokenizerFast

from greenfront.config import DataConfig, ModelConfig
from greenfront.errors import ConfigError, DataError, GreenfrontError
from greenfront.evaluators import Examples, TextExamples, load_data

SaveModel = Callable[..., ModelConfig]


def changed(data: DataConfig, **settings: Any) -> DataConfig:
    """The same data with other settings."""
    return DataConfig(**{**data.model_dump(exclude_none=True), **settings})


def texts(examples: Examples) -> set[tuple[int, ...]]:
    """The distinct token sequences."""
    assert isinstance(examples, TextExamples)
    cuts = zip(examples.offsets, examples.offsets[1:], strict=False)
    return {tuple(examples.tokens[start:end].tolist()) for start, end in cuts}


def test_examples_are_what_the_tokenizer_says(save_bert: SaveModel, data_config: DataConfig) -> None:
    model = save_bert()
    data, processor = load_data(model, changed(data_config, max_length=8), 0)
    assert data.label_names == ("bad", "good")
    assert (len(data.test), len(data.train) + len(data.validation)) == (40, 120)
    rows = Path(str(data_config.test)).read_text().splitlines()[1:]
    expected = AutoTokenizer.from_pretrained(model.path)(
        [row.split(",")[0] for row in rows], truncation=True, max_length=8, padding=True, return_tensors="pt"
    )
    batch = data.test.batch(np.arange(40))
    assert batch["input_ids"].tolist() == expected["input_ids"].tolist()
    assert batch["attention_mask"].tolist() == expected["attention_mask"].tolist()
    assert "token_type_ids" not in batch  # all zero, which is the default
    assert [data.label_names[label] for label in data.test.labels] == [row.split(",")[1] for row in rows]
    assert processor.pad_token == "[PAD]"


def test_splits_taken_off_train_are_apart_and_seeded(save_bert: SaveModel, data_config: DataConfig) -> None:
    model = save_bert()
    alone = changed(data_config, max_length=32)
    alone = DataConfig(**{**alone.model_dump(exclude_none=True, exclude={"test"}), "calibration_examples": 20})
    data, _ = load_data(model, alone, 3)
    assert (len(data.train), len(data.validation), len(data.test)) == (96, 12, 12)
    sets = [texts(data.train), texts(data.validation), texts(data.test)]
    assert sum(map(len, sets)) == len(set.union(*sets)) == 120
    assert len(data.calibration) == 20
    assert texts(data.calibration) < sets[0]
    again, other = load_data(model, alone, 3)[0], load_data(model, alone, 4)[0]
    assert again.fingerprint == data.fingerprint
    assert other.fingerprint != data.fingerprint
    assert texts(other.test) != sets[2]
    share = [float((part.labels == 1).mean()) for part in (data.train, data.validation, data.test)]
    assert max(share) - min(share) < 0.1


def test_validation_is_cut_for_the_search_only(save_bert: SaveModel, data_config: DataConfig) -> None:
    model, validation = save_bert(), str(data_config.test)
    whole = load_data(model, changed(data_config, validation=validation), 0)[0]
    cut = load_data(model, changed(data_config, validation=validation, validation_examples=10), 0)[0]
    assert (len(whole.validation), len(cut.validation), len(cut.test)) == (40, 10, 40)
    assert texts(cut.validation) < texts(whole.validation)
    assert cut.fingerprint == whole.fingerprint


def test_rows_in_two_splits_are_warned_of(
    save_bert: SaveModel, data_config: DataConfig, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="greenfront"):
        load_data(save_bert(), changed(data_config, validation=str(data_config.test)), 0)
    assert "40 of 40 test rows stand in the validation split too" in caplog.text


def test_ids_follow_the_trained_head(save_bert: SaveModel, data_config: DataConfig) -> None:
    straight, _ = load_data(save_bert(("bad", "good")), data_config, 0)
    turned, _ = load_data(save_bert(("Good", "Bad"), folder="turned"), data_config, 0)
    assert turned.label_names == ("Good", "Bad")
    assert np.array_equal(turned.test.labels, 1 - straight.test.labels)


def test_pairs_have_token_types(save_bert: SaveModel, tmp_path: Path) -> None:
    rows = [f"the film,{second},{label}" for label in "yn" for second in ("good", "bad", "very good", "the plot")]
    (tmp_path / "pairs.csv").write_text("one,two,label\n" + "\n".join(rows) + "\n")
    config = DataConfig(train=str(tmp_path / "pairs.csv"), text="one", text_pair="two", max_length=16, test_share=0.3)
    data, _ = load_data(save_bert(("y", "n")), config, 0)
    batch = data.train.batch(np.array([0]))
    length = batch["input_ids"].shape[1]
    assert batch["token_type_ids"].tolist() == [[0] * 4 + [1] * (length - 4)]
    with pytest.raises(DataError, match=r"no column 'three' \(data\.text_pair\)"):
        load_data(save_bert(), changed(config, text_pair="three"), 0)


def test_data_travels(save_bert: SaveModel, data_config: DataConfig) -> None:
    data, _ = load_data(save_bert(), data_config, 0)
    arrived = pickle.loads(pickle.dumps(data))
    assert (arrived.label_names, arrived.fingerprint) == (data.label_names, data.fingerprint)
    assert arrived.train.digest() == data.train.digest()


def test_a_decoder_without_padding_pads_with_its_end_token(
    save_bert: SaveModel, data_config: DataConfig, tmp_path: Path
) -> None:
    save_bert()
    words = PreTrainedTokenizerFast.from_pretrained(tmp_path / "bert")
    decoder = PreTrainedTokenizerFast(
        tokenizer_object=words.backend_tokenizer, eos_token="[SEP]", unk_token="[UNK]", padding_side="left"
    )
    decoder.save_pretrained(tmp_path / "gpt2")
    config = GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=14, n_positions=32, eos_token_id=3, bos_token_id=3)
    GPT2ForSequenceClassification(config).save_pretrained(tmp_path / "gpt2")
    model = ModelConfig(path=str(tmp_path / "gpt2"), task="text-classification")
    data, processor = load_data(model, data_config, 0)
    assert processor.pad_token_id == 3
    batch = data.train.batch(np.arange(20))
    assert (batch["input_ids"][batch["attention_mask"] == 0] == 3).all()
    assert batch["attention_mask"][:, -1].all()  # padded on the left
    assert not batch["attention_mask"][:, 0].all()


def test_an_empty_text_is_one_token(save_bert: SaveModel, tmp_path: Path) -> None:
    rows = [f'{{"text": "{"good" * (n % 2)}{n}", "label": {n % 2}}}' for n in range(20)]
    (tmp_path / "t.jsonl").write_text("\n".join([*rows, '{"text": "", "label": 1}']))
    data, _ = load_data(save_bert(), DataConfig(train=str(tmp_path / "t.jsonl"), max_length=16), 0)
    parts = (data.train, data.validation, data.test)
    assert min(int(part.lengths.min()) for part in parts) >= 1
    assert sum(map(len, parts)) == 21


@pytest.mark.parametrize(
    ("rows", "settings", "error", "message"),
    [
        ("good,1\n,0\n", {}, DataError, r"train\.csv, row 2 \(counted .*no text in column 'text'"),
        ("1,1\n2,0\n", {}, DataError, r"row 1 .*column 'text' must hold text, but has 1"),
        ("good,1\nbad,\n", {}, DataError, r"row 2 .*no label in column 'label'"),
        ("good,1\nbad,1\n", {}, DataError, "at least two classes, but all are 1"),
        (
            "good,1\nbad,0\n",
            {},
            DataError,
            r"data\.test: the 2 train examples are too few to split off a test set",
        ),
        ("good,1\nbad,0\n", {"test": "t.csv"}, DataError, r"data\.test: no such file: 't\.csv'"),
        ("good,1\nbad,0\n", {"text": "txt"}, DataError, "no column 'txt' .*did you mean 'text'"),
        ("good,1\nbad,0\n", {"max_length": 65}, ConfigError, "max_length: must be at most 64, .*but got 65"),
    ],
)
def test_data_that_can_not_be_used_is_named(
    save_bert: SaveModel,
    tmp_path: Path,
    rows: str,
    settings: dict[str, Any],
    error: type[GreenfrontError],
    message: str,
) -> None:
    (tmp_path / "train.csv").write_text("text,label\n" + rows)
    config = DataConfig(train=str(tmp_path / "train.csv"), **{"max_length": 16, **settings})
    with pytest.raises(error, match=message):
        load_data(save_bert(), config, 0)


def test_a_model_without_a_tokenizer_is_named(save_bert: SaveModel, data_config: DataConfig, tmp_path: Path) -> None:
    model = save_bert()
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "bert" / file).unlink()
    with pytest.raises(DataError, match=r"model\.path: '.*bert' has no tokenizer"):
        load_data(model, data_config, 0)
