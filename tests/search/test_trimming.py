"""What candidates are built from, and what the original costs beside it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, BertForSequenceClassification, PreTrainedModel

from greenfront.config import RunConfig, parse_config
from greenfront.errors import ConfigError
from greenfront.evaluators import batches, load_data, load_original
from greenfront.search import RunFolder, Silent
from greenfront.search.prepare import prepare_original
from greenfront.search.trimming import Base, prepare_base, trim
from greenfront.search.verify import original_candidate
from greenfront.spaces.answers import answer_rows
from tests.end_to_end.tiny_task import rows, save_encoder, save_word_pieces, write_csv
from tests.search.toy_run import toy_config, toy_profile


class Said(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    save_encoder(tmp_path / "encoder", 16, save_word_pieces)
    content = rows(60, seed=0)
    write_csv(tmp_path / "train.csv", content[:40])
    write_csv(tmp_path / "test.csv", content[40:])
    return parse_config(
        {
            "model": {"path": str(tmp_path / "encoder"), "task": "text-classification"},
            "data": {"train": str(tmp_path / "train.csv"), "test": str(tmp_path / "test.csv"), "max_length": 16},
            "space": {"embeddings": {"trim": True}},
            "fine_tune": {"original_epochs": 0},
            "output": str(tmp_path / "run"),
        }
    )


def table(model: PreTrainedModel) -> torch.Tensor:
    found = model.get_input_embeddings()
    assert isinstance(found, torch.nn.Embedding)
    return found.weight


def logits(model: PreTrainedModel, base: Base, split: str) -> torch.Tensor:
    examples = getattr(base.data, split)
    with torch.inference_mode():
        return torch.cat([answer_rows(model, examples.batch(indices)) for indices in batches(examples, 8)])


def test_the_base_is_kept_and_answers_as_the_original(config: RunConfig) -> None:
    run, said = RunFolder.create(config), Said()
    data, processor, model = prepare_original(config, run, Silent())
    assert run.base == run.original
    base = prepare_base(config, run, data, processor, model, said)
    assert run.base == run.trimmed
    whole = Base(model, processor, data)
    for split in ("train", "validation"):
        torch.testing.assert_close(logits(base.model, base, split), logits(model, whole, split))
    before, after = table(model), table(base.model)
    assert base.trimmed == before.numel() - after.numel() > 0
    assert len(AutoTokenizer.from_pretrained(run.trimmed)) == len(base.processor) == base.model.config.vocab_size
    assert said.notes[0].startswith(f"vocabulary: {len(base.processor)} of {len(before)} tokens are kept, 0.0 MB less")
    assert said.notes[1].startswith("0 of ")

    data, processor, model = prepare_original(config, run, Silent())
    again = prepare_base(config, run, data, processor, model, said)
    assert len(said.notes) == 3
    assert again.trimmed == base.trimmed
    assert again.data.fingerprint == base.data.fingerprint != data.fingerprint
    torch.testing.assert_close(logits(again.model, again, "test"), logits(base.model, base, "test"), rtol=0, atol=0)


def test_without_being_asked_for_nothing_changes(config: RunConfig) -> None:
    plain = config.model_copy(update={"space": type(config.space)()})
    run = RunFolder.create(plain)
    read = prepare_original(plain, run, Silent())
    base = prepare_base(plain, run, *read, Silent())
    assert (base.data, base.processor, base.model, base.trimmed) == (*read, 0)
    assert not run.trimmed.exists()


def test_a_changed_configuration_trims_anew(config: RunConfig) -> None:
    run = RunFolder.create(config)
    prepare_base(config, run, *prepare_original(config, run, Silent()), Silent())
    RunFolder.create(config.model_copy(update={"data": config.data.model_copy(update={"max_length": 8})}))
    assert not run.trimmed.exists()


class ByNumber(BertForSequenceClassification):
    """A model in which a token's number says something by itself."""

    def forward(self, input_ids: torch.Tensor, **inputs: torch.Tensor) -> object:
        found = super().forward(input_ids, **inputs)
        found.logits = found.logits + 0.001 * input_ids.max()
        return found


def test_a_model_that_reads_the_numbers_themselves_is_refused(config: RunConfig, tmp_path: Path) -> None:
    data, processor = load_data(config.model, config.data, 0)
    model, _ = load_original(config.model, data.label_names)
    model.__class__ = ByNumber
    with pytest.raises(
        ConfigError, match=r"space\.embeddings\.trim: must be false for this ByNumber.*logits differ by"
    ):
        trim(config, data, processor, model, tmp_path / "trimmed", Silent())
    assert not (tmp_path / "trimmed").exists()


def test_the_original_costs_what_its_table_has_more(tmp_path: Path) -> None:
    profile = toy_profile("toy")
    found = original_candidate(0.5, {"toy": profile}, toy_config(tmp_path), trimmed=250_000).predicted["toy"]
    mb = pytest.approx(1.0)
    assert found.parameters - profile.original.parameters == 250_000
    assert found.size_mb - profile.original.size_mb == mb
    assert found.peak_memory_mb - profile.original.peak_memory_mb == mb
    assert found == replace(
        profile.original, parameters=found.parameters, size_mb=found.size_mb, peak_memory_mb=found.peak_memory_mb
    )
