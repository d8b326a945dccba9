"""Significance: the divergence of the model so changed, and between those measured what closed forms say."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from greenfront.config import DataConfig, LinformerConfig, ModelConfig, SpaceConfig
from greenfront.errors import RunError
from greenfront.evaluators import Significance, kl_divergence, load_data, load_original, significance
from greenfront.evaluators.additivity import PAIRS, SINGLES, additivity
from greenfront.evaluators.interpolation import falling, spread
from greenfront.evaluators.replace_one import divergences
from greenfront.evaluators.significance_analysis import count_passes
from greenfront.spaces import Choice, Library, Plan, Space, compress, find_space

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
    offered = SpaceConfig(methods=("low_rank", "embeddings", "linformer"), linformer=LinformerConfig(lengths=(4, 8)))
    space = find_space(model, offered, 16)
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
    found = significance(model, small, library, batches, scored=99, progress=lambda *done: progress.append(done))
    assert found.fits(small)
    assert not found.fits(space)
    reference = logits(model, batches)
    for choice in small.choices:
        of_options = found.losses[choice.name]
        assert len(of_options) == len(choice.options)
        assert of_options[-1] == 0.0
        expected = []
        for settings in choice.settings:
            changed = logits(compress(model, Plan({choice.site.path: settings}), library), batches)
            expected.append(float(kl_divergence(reference, changed).mean()))
        assert of_options[:-1] == pytest.approx(falling(expected))
        assert min(of_options[:-1]) > 0
    assert found.scored == {choice.name: list(range(len(choice.settings))) for choice in small.choices}
    assert count_passes(small, 99) == sum(map(len, found.scored.values())) + SINGLES + PAIRS
    passes = sum(len(found.scored[choice.name]) for choice in measured) * len(batches)
    assert progress[:passes] == [(done, passes) for done in range(1, passes + 1)]  # attentions first
    assert progress[-1][0] == progress[-1][1]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_of_a_long_line_some_are_scored_and_the_others_lie_between(prepared: Prepared) -> None:
    model, _, library, batches = prepared
    config = SpaceConfig(methods=("linformer",), linformer=LinformerConfig(lengths=(2, 3, 4, 6, 8)))
    small = Space(find_space(model, config, 16).choices[:1])
    whole = significance(model, small, library, batches, scored=9)
    some = significance(model, small, library, batches, scored=3)
    name = small.choices[0].name
    assert whole.scored == {name: [0, 1, 2, 3, 4]}
    assert some.scored == {name: [0, 2, 4]}
    assert [count_passes(small, most) - PAIRS - SINGLES for most in (9, 3)] == [5, 3]
    for place, loss in enumerate(some.losses[name][:-1]):
        if place in some.scored[name]:
            assert loss == whole.losses[name][place]
        else:
            low, high = sorted((some.losses[name][place - 1], some.losses[name][place + 1]))
            assert low <= loss <= high


def test_between_scored_ranks_the_closed_form_gives_the_shape_at_their_level(prepared: Prepared) -> None:
    model, _, _, batches = prepared
    config = SpaceConfig.model_validate({"methods": ["low_rank"], "low_rank": {"align": 1}})
    (choice, *_) = (each for each in find_space(model, config, 16).choices if "intermediate" in each.name)
    path, small = choice.site.path, Space((choice,))
    library = Library.compute(model, batches, small, config)
    found = significance(model, small, library, batches, scored=3)
    scored = found.scored[choice.name]
    assert scored == spread(range(len(choice.settings)), 3)
    measured = falling(divergences(model, [Plan({path: choice.settings[at]}) for at in scored], library, batches))
    level = dict(zip(scored, measured, strict=True))
    losses = found.losses[choice.name]
    assert [losses[at] for at in scored] == pytest.approx(measured, abs=0)
    for below, above in pairwise(scored):
        shape = [math.log(library.loss(path, choice.settings[at]) or 0.0) for at in range(below, above + 1)]
        for at, log in zip(range(below + 1, above), shape[1:], strict=False):
            assert level[above] <= losses[at] <= level[below]
            if (shape[0] - log) < 0.1 * (shape[0] - shape[-1]):  # hardly worse in closed form, hardly worse at all
                assert math.log(level[below] / losses[at]) < 0.5 * math.log(level[below] / level[above])


def test_beyond_so_many_passes_layers_take_over_from_each_other(prepared: Prepared) -> None:
    model, space, library, batches = prepared
    found = significance(model, space, library, batches, passes=1)
    assert found.fits(space)
    assert all(loss > 0 for choice in space.choices for loss in found.losses[choice.name][:-1])


def test_labels_in_a_batch_are_ignored_and_modes_kept(prepared: Prepared) -> None:
    model, space, library, batches = prepared
    small = Space(tuple(choice for choice in space.choices if choice.method == "linformer")[:1])
    assert small.size == 3
    plain = significance(model, small, library, batches)
    model.train()
    labelled = [{**batch, "labels": torch.zeros(8, dtype=torch.long)} for batch in batches]
    assert significance(model, small, library, labelled) == plain
    assert model.training


def test_additivity_is_the_ratio_of_both_to_the_sum_of_each(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, space, library, batches = prepared
    monkeypatch.setattr("greenfront.evaluators.additivity.LEAST_NATS", 1e-12)  # this model loses little
    small = Space(tuple(choice for choice in space.choices if choice.method == "linformer"))
    assert len(small.choices) == 2
    losses = significance(model, small, library, batches).losses
    only_first = Space(tuple(Choice(choice.site, choice.method, choice.settings[:1]) for choice in small.choices))
    firsts = {choice.name: [losses[choice.name][0], 0.0] for choice in small.choices}
    found = additivity(model, only_first, library, firsts, batches, seed=0)
    assert found is not None
    plans = [Plan({choice.site.path: choice.settings[0]}) for choice in only_first.choices]
    reference = logits(model, batches)

    def oracle(plan: Plan) -> float:
        return float(kl_divergence(reference, logits(compress(model, plan, library), batches)).mean())

    ratio = oracle(Plan({**plans[0], **plans[1]})) / (oracle(plans[0]) + oracle(plans[1]))
    assert (found.pairs, found.examples) == (1, 24)
    assert (found.median, found.p95) == pytest.approx((ratio, ratio), rel=1e-5)
    assert f"{ratio:.2f} times the sum" in str(found)
    assert additivity(model, only_first, library, firsts, batches, seed=0) == found
    harmless = {name: [0.0, 0.0] for name in firsts}
    assert additivity(model, only_first, library, harmless, batches, seed=0) is None


def test_a_record_can_be_kept(prepared: Prepared) -> None:
    model, space, library, batches = prepared
    small = Space(tuple(choice for choice in space.choices if choice.method == "linformer"))
    found = significance(model, small, library, batches)
    assert Significance.from_json(found.to_json()) == found
    broken = replace(found, losses={"a": [math.inf, 2.0, 0.0], "b": [1.0, 0.0]})
    assert Significance.from_json(broken.to_json()) == broken
    assert broken.finite().losses == {"a": [30.0, 2.0, 0.0], "b": [1.0, 0.0]}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"bert.encoder": [0.1, 0.0]}', "not a record of significance of version 3"),
        ("[]", "not a record of significance of version 3"),
        ('{"version": 3, "losses": {', "must be JSON"),
        ('{"version": 3, "losses": {"a": [-1]}, "scored": {}, "additivity": null}', r"losses\.a\.0: .* got -1"),
        ('{"version": 3, "losses": {"a": [NaN]}, "scored": {}, "additivity": null}', "NaN is no number of JSON"),
        ('{"version": 3, "losses": {}, "scored": {}}', "additivity: Field required"),
        ('{"version": 3, "losses": {}, "scored": {}, "additivity": null, "more": 1}', "more"),
    ],
)
def test_what_is_no_record_is_refused_by_place(text: str, says: str) -> None:
    with pytest.raises(RunError, match=says):
        Significance.from_json(text)


def test_an_empty_space_has_no_losses(prepared: Prepared) -> None:
    model, _, library, batches = prepared
    assert significance(model, Space(()), library, batches) == Significance({}, {}, None)
