"""Significance: closed form where the library has one, else the divergence of the model so changed."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from greenfront.config import DataConfig, LinformerConfig, ModelConfig, SpaceConfig
from greenfront.evaluators import kl_divergence, load_data, load_original, significance
from greenfront.evaluators.significance_analysis import mean_divergence
from greenfront.spaces import Library, Plan, Space, compress, find_space

Batches = list[dict[str, torch.Tensor]]
Prepared = tuple[PreTrainedModel, Space, Library, Batches]


@pytest.fixture
def prepared(save_bert: Callable[..., ModelConfig], data_config: DataConfig) -> Prepared:
    """A model whose head tells classes apart, its space, its library and three calibration batches."""
    config = save_bert()
    data, _ = load_data(config, data_config, 0)
    model, _ = load_original(config, data.label_names)
    with torch.no_grad():
        model.get_submodule("classifier").weight.mul_(50)  # type: ignore[operator]
    batches = [data.calibration.batch(np.arange(start, start + 8)) for start in (0, 8, 16)]
    space = find_space(model, SpaceConfig(linformer=LinformerConfig(lengths=(4, 8))), 16)
    return model, space, Library.compute(model, batches, space, SpaceConfig()), batches


def logits(model: PreTrainedModel, batches: Batches) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """All answers, one batch after the other."""
    with torch.inference_mode():
        return np.concatenate([model(**batch).logits.numpy() for batch in batches])


def test_every_option_has_its_loss(prepared: Prepared) -> None:
    model, space, library, batches = prepared
    closed = [choice for choice in space.choices if choice.method == "low_rank"][:2]
    measured = [choice for choice in space.choices if library.loss(choice.site.path, choice.settings[0]) is None][:2]
    assert closed
    assert measured
    small = Space((*closed, *measured))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    progress: list[tuple[int, int]] = []
    losses = significance(model, small, library, batches, progress=lambda *done: progress.append(done))
    assert set(losses) == {choice.name for choice in small.choices}
    reference = logits(model, batches)
    for choice in small.choices:
        of_options = losses[choice.name]
        assert len(of_options) == len(choice.options)
        assert of_options[-1] == 0.0
        for settings, loss in zip(choice.settings, of_options, strict=False):
            expected = library.loss(choice.site.path, settings)
            if expected is None:
                changed = logits(compress(model, Plan({choice.site.path: settings}), library), batches)
                expected = float(kl_divergence(reference, changed).mean())
            assert loss == pytest.approx(expected)
            assert loss > 0
    total = sum(len(choice.settings) for choice in small.choices)
    assert progress == [(done, total) for done in range(1, total + 1)]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_labels_in_a_batch_are_ignored_and_modes_kept(prepared: Prepared) -> None:
    model, space, library, batches = prepared
    small = Space(tuple(choice for choice in space.choices if choice.method == "linformer")[:1])
    assert small.size == 3
    plain = significance(model, small, library, batches)
    model.train()
    labelled = [{**batch, "labels": torch.zeros(8, dtype=torch.long)} for batch in batches]
    assert significance(model, small, library, labelled) == plain
    assert model.training


def test_answers_that_are_no_numbers_are_infinitely_bad() -> None:
    reference = np.zeros((2, 3), dtype=np.float32)
    for broken in (math.nan, math.inf):
        changed = reference.copy()
        changed[1, 0] = broken
        assert mean_divergence(reference, changed) == math.inf


def test_an_empty_space_has_no_losses(prepared: Prepared) -> None:
    model, _, library, batches = prepared
    assert significance(model, Space(()), library, batches) == {}
