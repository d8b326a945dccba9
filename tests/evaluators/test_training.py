"""Training learns, is seeded, freezes what it should, and ends at once when it diverges."""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedModel

from greenfront.config import DataConfig, ModelConfig
from greenfront.errors import ConfigError, DataError, Diverged, PlanError
from greenfront.evaluators import (
    Stretch,
    TaskData,
    answer,
    distill,
    fine_tune,
    load_data,
    load_original,
    predict,
    resolve_precision,
    score,
)
from greenfront.evaluators.training import learning_rate

Loaded = tuple[PreTrainedModel, TaskData]
Quick = Callable[..., Any]


@pytest.fixture
def loaded(save_bert: Callable[..., ModelConfig], data_config: DataConfig) -> Loaded:
    """A tiny BERT with random weights, and reviews."""
    model = save_bert()
    data, _ = load_data(model, data_config, 0)
    return load_original(model, data.label_names)[0], data


def state(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """A copy of the weights."""
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def test_fine_tuning_learns_the_labels(loaded: Loaded, quick: Quick) -> None:
    model, data = loaded
    before = state(model)
    seen: list[tuple[int, int]] = []
    config = quick(original_epochs=12.0, original_learning_rate=3e-3)
    log = fine_tune(model, data.train, config, seed=0, progress=lambda *step: seen.append(step))
    steps = math.ceil(12 * math.ceil(len(data.train) / 8))
    assert seen == [(step, steps) for step in range(1, steps + 1)]
    assert (log.steps, len(log.losses), log.precision) == (steps, steps, "float32")
    assert log.examples == 12 * len(data.train)
    assert log.seconds > 0
    assert log.final_loss == pytest.approx(np.mean(log.losses[-(steps // 10) :]))
    assert log.final_loss < 0.3 < log.losses[0]
    assert score(answer(model, data.test, "accuracy")).value > 0.9
    assert not model.training
    changed = {name for name, weight in state(model).items() if not torch.equal(weight, before[name])}
    assert "bert.embeddings.word_embeddings.weight" in changed
    assert all(parameter.grad is None for parameter in model.parameters())


def test_distillation_brings_a_student_to_its_teacher(loaded: Loaded, quick: Quick) -> None:
    teacher, data = loaded
    fine_tune(teacher, data.train, quick(original_epochs=12.0, original_learning_rate=3e-3), seed=0)
    answers, on_test = predict(teacher, data.train), predict(teacher, data.test)
    torch.manual_seed(1)
    student = type(teacher)(teacher.config)
    before = score(answer(student, data.test, "accuracy", on_test))
    log = distill(student, data.train, answers, quick(steps=150, learning_rate=3e-3), seed=0)
    after = score(answer(student, data.test, "accuracy", on_test))
    assert log.steps == 150
    assert before.divergence is not None
    assert after.divergence is not None
    assert after.divergence < 0.2 * before.divergence
    assert after.value > 0.9


def test_a_copy_of_the_teacher_has_no_loss_as_dropout_is_off(loaded: Loaded, quick: Quick) -> None:
    model, data = loaded
    assert any(isinstance(module, torch.nn.Dropout) and module.p > 0 for module in model.modules())
    log = distill(model, data.train, predict(model, data.train), quick(steps=2), seed=0)
    assert log.before == pytest.approx(0.0, abs=1e-6)


def test_loss_is_the_softened_divergence(loaded: Loaded, quick: Quick) -> None:
    model, data = loaded
    examples = data.train.subset(np.arange(8))
    teacher = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32) * 3
    student = predict(model, examples)
    log = distill(model, examples, teacher, quick(steps=1), seed=0)
    p, q = (np.exp(logits / 2) / np.exp(logits / 2).sum(-1, keepdims=True) for logits in (teacher, student))
    assert log.losses[0] == pytest.approx(4 * (p * np.log(p / q)).sum(-1).mean(), rel=1e-4)


def test_training_is_seeded_and_leaves_the_global_state(loaded: Loaded, quick: Quick) -> None:
    model, data = loaded
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    teacher = 30 * predict(model, data.train)[:, ::-1]
    outcomes = []
    for seed in (0, 0, 1):
        model.load_state_dict(start)
        random = torch.get_rng_state()
        outcomes.append(distill(model, data.train, teacher, quick(steps=5), seed=seed).losses)
        assert torch.equal(random, torch.get_rng_state())
    assert outcomes[0] == outcomes[1] != outcomes[2]


def test_steps_beyond_one_pass_go_on(loaded: Loaded, quick: Quick) -> None:
    model, data = loaded
    few = data.train.subset(np.arange(10))
    log = distill(model, few, -30 * predict(model, few), quick(steps=7), seed=0)
    assert log.examples in (30 + 8, 30 + 2)  # three passes of a batch of 8 and one of 2, in any order
    assert log.steps == 7


def test_no_steps_change_nothing(loaded: Loaded, quick: Quick) -> None:
    model, data = loaded
    before = state(model)
    log = distill(model, data.train, predict(model, data.train), quick(steps=0), seed=0)
    assert (log.steps, log.losses) == (0, ())
    assert math.isnan(log.final_loss)
    assert all(torch.equal(weight, before[name]) for name, weight in state(model).items())


def test_a_training_in_stretches_is_the_same_as_one_without_a_stop(loaded: Loaded, quick: Quick) -> None:
    model, data = loaded
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    teacher = -30 * predict(model, data.train)
    config = quick(steps=2 * math.ceil(len(data.train) / 8) + 3)  # more than two passes
    whole = distill(model, data.train, teacher, config, seed=0, frozen=("bert.embeddings",))
    expected = state(model)
    model.load_state_dict(start)
    moments: Mapping[str, torch.Tensor] = {}
    before: float | None = None
    losses: list[float] = []
    seen = 0
    for first, last in pairwise((0, 0, 3, 4, config.steps)):
        stretch = Stretch(first, last, moments, before)
        log = distill(model, data.train, teacher, config, seed=0, frozen=("bert.embeddings",), stretch=stretch)
        assert log.steps == last - first
        moments, before, seen = log.moments, log.before, seen + log.examples
        losses += log.losses
    assert tuple(losses) == whole.losses
    assert seen == whole.examples
    assert all(torch.equal(weight, expected[name]) for name, weight in state(model).items())
    assert {name.partition(":")[0] for name in moments} == {
        name for name in expected if not name.startswith("bert.embeddings")
    }
    assert whole.moments == {}


def test_a_stretch_is_within_the_steps(loaded: Loaded, quick: Quick) -> None:
    model, data = loaded
    for first, last in ((0, 5), (3, 2), (-1, 2)):
        with pytest.raises(ConfigError, match=f"a stretch must be within 4 steps, but got steps {first} to {last}"):
            distill(model, data.train, predict(model, data.train), quick(steps=4), seed=0, stretch=Stretch(first, last))


def test_frozen_modules_stay(loaded: Loaded, quick: Quick) -> None:
    model, data = loaded
    before = state(model)
    teacher = -30 * predict(model, data.train)
    frozen = ("bert.embeddings.word_embeddings", "bert.encoder.layer.0")
    distill(model, data.train, teacher, quick(steps=3), seed=0, frozen=frozen)
    for name, weight in state(model).items():
        # The pooler's and the classifier's weights, for one, are always reached by the gradient.
        assert torch.equal(weight, before[name]) == name.startswith(frozen), name
    assert all(parameter.requires_grad for parameter in model.parameters())
    with pytest.raises(PlanError, match=r"frozen: 'bert\.nothing' is not a module of BertForSequenceClassification"):
        distill(model, data.train, teacher, quick(steps=3), seed=0, frozen=("bert.nothing",))


def test_divergence_of_training_ends_it_at_its_step(loaded: Loaded, quick: Quick) -> None:
    model, data = loaded
    with torch.no_grad():
        model.get_submodule("classifier").weight.fill_(math.inf)  # type: ignore[operator]
    with pytest.raises(Diverged, match=r"loss is nan at step 1 of 30 .*a fine_tune\.learning_rate below 0\.0001"):
        distill(model, data.train, np.zeros((len(data.train), 2), dtype=np.float32), quick(), seed=0)
    assert not model.training


def test_an_absurd_learning_rate_diverges(loaded: Loaded, quick: Quick) -> None:
    model, data = loaded
    config = quick(original_learning_rate=1e30, original_epochs=3.0)
    with pytest.raises(Diverged, match=r"of \d+ \(rate .*fine_tune\.original_learning_rate below 1e\+30"):
        fine_tune(model, data.train, config, seed=0)


def test_teacher_must_fit_the_examples(loaded: Loaded, quick: Quick) -> None:
    model, data = loaded
    with pytest.raises(DataError, match=rf"one row per answer \({len(data.train)}\), but got 3"):
        distill(model, data.train, np.zeros((3, 2), dtype=np.float32), quick(), seed=0)


@given(st.integers(1, 200), st.floats(0, 1))
def test_the_rate_rises_to_its_peak_and_falls(steps: int, warmup: float) -> None:
    rates = [learning_rate(step, steps, 1.0, warmup) for step in range(steps)]
    peak = rates.index(max(rates))
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert max(rates) == pytest.approx(1.0)


def test_precision_follows_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    for capabilities, expected in (
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True, "avx512_bf16": False}, "bfloat16"),
        ({"avx512_f": True}, "float32"),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capabilities: found)
        assert resolve_precision("auto", "cpu") == expected
    assert resolve_precision("bfloat16", "cpu") == "bfloat16"
    assert resolve_precision("float32", torch.device("cpu")) == "float32"


def test_bfloat16_trains_float32_weights(loaded: Loaded, quick: Quick) -> None:
    model, data = loaded
    teacher = -30 * predict(model, data.train)
    log = distill(model, data.train, teacher, quick(steps=2, precision="bfloat16"), seed=0)
    assert log.precision == "bfloat16"
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_predictions_are_in_order_whatever_the_batches(loaded: Loaded) -> None:
    model, data = loaded
    model.train()
    progress: list[tuple[int, int]] = []
    logits = predict(model, data.test, batch_size=7, progress=lambda *done: progress.append(done))
    assert model.training
    assert progress[-1] == (40, 40)
    assert logits.dtype == np.float32
    model.eval()
    with torch.inference_mode():
        for index in (0, 17, 39):
            alone = model(**data.test.batch(np.array([index]))).logits.numpy()
            assert logits[index] == pytest.approx(alone[0], abs=1e-5)
    assert np.abs(predict(model, data.test, precision="bfloat16") - logits).max() < 0.1
    assert predict(model, data.test.subset(np.array([], dtype=np.int64))).shape == (0, 2)
