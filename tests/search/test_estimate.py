"""The overview before a search: real counts, and times that grow with what makes a search long."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from greenfront.config import RunConfig
from greenfront.errors import ConfigError, DataError
from greenfront.evaluators import load_data
from greenfront.search import Overview, overview
from greenfront.search.estimate import STARTING, stage_seconds
from greenfront.spaces import find_space, save_checkpoint
from tests.search.toy_run import toy_config, toy_model

WORDS = ("[PAD]", "[UNK]", "red", "green", "blue", "a", "the", "is")


@pytest.fixture(scope="module")
def sections(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """A model folder with its tokenizer, and 60 texts of three labels."""
    folder = tmp_path_factory.mktemp("task")
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    processor = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
    save_checkpoint(toy_model(), folder / "model", processor)
    with (folder / "train.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(60):
            colour = ("red", "green", "blue")[number % 3]
            writer.writerow([f"{'the ' * (number // 3)}{colour} is a", colour])
    return {
        "model": {"path": str(folder / "model"), "task": "text-classification"},
        "data": {"train": str(folder / "train.csv"), "max_length": 16},
    }


def seen(config: RunConfig) -> Overview:
    return overview(config)


def test_it_counts_what_there_is(sections: dict[str, dict[str, object]], tmp_path: Path) -> None:
    found = seen(toy_config(tmp_path / "run", **sections))
    assert found.model == "BertForSequenceClassification"
    assert found.parameters == toy_model().num_parameters()
    assert sum(found.examples.values()) == 60
    assert found.labels == ("blue", "green", "red")
    assert found.head_untrained  # its labels were LABEL_0, LABEL_1, LABEL_2
    assert len(found.space.choices) == 12
    assert not (tmp_path / "run").exists()  # it only looks


def test_the_time_of_an_original_is_measured(sections: dict[str, dict[str, object]], tmp_path: Path) -> None:
    found = seen(toy_config(tmp_path / "run", **sections)).seconds
    assert {name for name, value in found.items() if not value > 0} == {"blocks, heads and neurons", "finishing"}


def test_more_work_takes_longer(sections: dict[str, dict[str, object]], tmp_path: Path) -> None:
    def seconds(forward: float = 0.01, untrained: bool = True, **changes: object) -> dict[str, float]:
        config = toy_config(tmp_path / "run", **{**sections, **changes})
        data, _ = load_data(config.model, config.data, 0)
        space = find_space(toy_model(), config.space, 16)
        return stage_seconds(config, data, toy_model(), space, forward, untrained)

    base = seconds()
    assert list(base) == [
        "fine-tuning the original", "measuring", "the original's outputs", "decompositions", "significance",
        "blocks, heads and neurons", "first plans", "search", "finishing", "measuring finalists", "test scores",
    ]  # fmt: skip
    assert base["blocks, heads and neurons"] == 0  # the space takes no elements away
    assert seconds(space={"methods": ["heads"]})["blocks, heads and neurons"] > 0
    assert seconds(untrained=False)["fine-tuning the original"] == 0
    assert seconds(forward=0.02)["test scores"] == pytest.approx(2 * base["test scores"])

    def trials(found: dict[str, float]) -> float:
        return found["search"] - STARTING

    twelve, more_steps = seconds(search={"trials": 12}), seconds(search={"trials": 12}, fine_tune={"steps": 200})
    assert trials(seconds(search={"trials": 1200})) == pytest.approx(100 * trials(twelve))
    assert trials(more_steps) > 1.5 * trials(twelve)
    targets = [{"name": "a", "sequence_length": 16}, {"name": "b", "sequence_length": 16}]
    twice = seconds(hardware=targets)
    assert twice["measuring"] == 2 * base["measuring"] > 2 * 60  # processes start and end, beside the timing
    assert twice["measuring finalists"] == 2 * base["measuring finalists"]

    def finishing(**finish: int) -> float:
        return seconds(finish=finish)["finishing"]

    assert finishing() == 0
    assert STARTING < finishing(steps=100) < finishing(steps=400) < finishing(steps=400, members=8)
    assert finishing(steps=400) < finishing(steps=400, shards=2)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"search": {"sampler": "tqe"}}, ConfigError, r"search\.sampler"),
        ({"search": {"sampler_options": {"speed": 1}}}, ConfigError, r"search\.sampler_options"),
        ({"space": {"low_rank": {"ranks": [500]}}}, ConfigError, r"space\.low_rank\.ranks"),
        (
            {"space": {"methods": ["low_rnk"]}},
            ConfigError,
            r"space\.methods: .*did you mean low_rank\?\), but got low_rnk",
        ),
    ],
)
def test_what_a_search_would_refuse_is_refused(
    sections: dict[str, dict[str, object]],
    changes: dict[str, object],
    error: type[Exception],
    words: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=words):
        seen(toy_config(tmp_path / "run", **{**sections, **changes}))


def test_data_that_can_not_be_used_are_refused(sections: dict[str, dict[str, object]], tmp_path: Path) -> None:
    data = {**sections["data"], "label": "colour"}
    with pytest.raises(DataError, match=r"no column 'colour' \(data\.label\); it has 'text', 'label'"):
        seen(toy_config(tmp_path / "run", **{**sections, "data": data}))


def test_an_overview_is_plain_data(sections: dict[str, dict[str, object]], tmp_path: Path) -> None:
    found = seen(toy_config(tmp_path / "run", **sections))
    assert replace(found) == found
