"""What all approximations of attention have in common, on whole models."""

import copy
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from greenfront.errors import PlanError
from greenfront.spaces import METHODS, Plan, Settings, compress, plan_of
from greenfront.spaces.approximation import AttentionMethod
from greenfront.spaces.attention import Approximation
from greenfront.spaces.sign_matching import BLOCK
from tests.spaces.architectures import distilbert, modernbert
from tests.spaces.attention import asked, random_heads, run
from tests.spaces.models import Batch, batch_for, bert, build, logits, randomized, text_batch

SETTINGS: dict[str, Settings] = {
    "linformer": {"linformer": 5, "linformer_positions": 16},
    "window": {"window": 3},
    "clustered": {"clustered": 4},
    "lsh": {"lsh": 2},
    "performer": {"performer": 8},
    "linear_attention": {"linear_attention": 1},
    "sign_matching": {"sign_matching": 3},
}
CAUSAL = ["window", "performer", "linear_attention", "sign_matching"]
ATTENTION = {
    "bert": "bert.encoder.layer.{}.attention.self",
    "roberta": "roberta.encoder.layer.{}.attention.self",
    "distilbert": "distilbert.transformer.layer.{}.attention",
    "gpt2": "transformer.h.{}.attn",
    "vit": "vit.layers.{}.attention",
}

every_method = pytest.mark.parametrize("method", SETTINGS)


def model_of(name: str) -> PreTrainedModel:
    if name != "distilbert":
        return build(name)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return randomized(distilbert())


def approximated(method: str, name: str = "bert") -> PreTrainedModel:
    """A model with this approximation in every layer."""
    return compress(model_of(name), Plan({ATTENTION[name].format(n): SETTINGS[method] for n in (0, 1)}))


def test_every_attention_method_is_tested_here() -> None:
    assert set(SETTINGS) == {name for name, method in METHODS.items() if method.group == "attention"}


@every_method
@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert", "vit"])
def test_it_changes_what_every_architecture_answers(method: str, name: str) -> None:
    batch = batch_for("vit" if name == "vit" else "bert")
    answer = logits(approximated(method, name), batch)
    assert answer.isfinite().all()
    assert (answer - logits(model_of(name), batch)).abs().max() > 1e-3


@every_method
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("length", [1, 4, 5, 33, 70])
def test_its_flops_are_those_that_are_counted(method: str, causal: bool, length: int) -> None:
    if causal and method not in CAUSAL:
        pytest.skip("it would leak the future")
    chosen = METHODS[method]
    assert isinstance(chosen, AttentionMethod)
    batch, heads, width = 2, 3, 6
    approximation = chosen.approximation("here", SETTINGS[method], width)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run(approximation.double(), random_heads(batch, heads, length, width, seed=0), causal=causal)
    flops = cast("Approximation", approximation).flops(length, width, causal=causal)
    assert batch * heads * flops == counter.get_total_flops()


@every_method
@pytest.mark.parametrize("side", ["right", "left"])
def test_tokens_do_not_depend_on_the_padding(method: str, side: str) -> None:
    """Whole blocks of it where they are counted from the first place, as sign matching does."""
    model = approximated(method)
    in_blocks = (method, side) == ("sign_matching", "left")
    for length in (1, 3, 4, 9, 16, 31 if in_blocks else 35):
        alone = text_batch([length], width=length)
        for width in (length + BLOCK,) if in_blocks else (length + 1, 40):
            padded = text_batch([length, width], width=width)
            padded["input_ids"][0, :length] = alone["input_ids"][0]
            padded["position_ids"] = torch.arange(width).repeat(2, 1)
            places = slice(length)
            if side == "left":
                places = slice(width - length, width)
                for each in padded.values():
                    each[0] = each[0].roll(width - length)
            found = hidden(model, padded)[0, places]
            torch.testing.assert_close(found, hidden(model, alone)[0], rtol=1e-4, atol=1e-4)


def hidden(model: PreTrainedModel, batch: Batch) -> Tensor:
    """What the last layer gives (B, L, width)."""
    with torch.no_grad():
        outputs: Tensor = model.base_model(**batch).last_hidden_state
    return outputs


@every_method
def test_a_fully_padded_input_is_no_nan(method: str) -> None:
    model = approximated(method)
    answer = logits(model, text_batch([16, 0]))
    assert answer.isfinite().all()
    torch.testing.assert_close(answer[:1], logits(model, text_batch([16])), rtol=1e-5, atol=1e-5)


@every_method
def test_the_same_input_gets_the_same_answer(method: str) -> None:
    batch = batch_for("bert")
    assert torch.equal(logits(approximated(method), batch), logits(approximated(method), batch))


@every_method
def test_bfloat16_and_autocast_run(method: str) -> None:
    """The second is how candidates are fine-tuned."""
    model, batch = approximated(method), batch_for("bert")
    expected = logits(model, batch)
    with torch.autocast("cpu", torch.bfloat16):
        answer = model(**batch).logits
    assert answer.isfinite().all()
    torch.autograd.backward(answer.float().sum())
    gradients = [p.grad for name, p in model.named_parameters() if "query" in name and p.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert logits(copy.deepcopy(model).bfloat16(), batch).isfinite().all()
    assert torch.equal(logits(model, batch), expected)


@every_method
def test_low_rank_on_the_same_layer(method: str) -> None:
    path = ATTENTION["bert"].format(0)
    model = compress(build("bert"), Plan({path: SETTINGS[method], f"{path}.query": {"rank": 4}}))
    assert logits(model, batch_for("bert")).isfinite().all()
    assert set(plan_of(model)) == {path, f"{path}.query"}


# causal attention


@pytest.mark.parametrize("method", CAUSAL)
def test_causal_models_see_no_future(method: str) -> None:
    model = approximated(method, "gpt2")
    batch = text_batch([16, 16])
    changed = {**batch, "input_ids": batch["input_ids"].clone()}
    changed["input_ids"][:, 9:] = (changed["input_ids"][:, 9:] + 7) % 90 + 3
    one, other = hidden(model, batch), hidden(model, changed)
    torch.testing.assert_close(one[:, :9], other[:, :9], rtol=1e-4, atol=1e-4)
    assert (one[:, 9:] - other[:, 9:]).abs().max() > 0.1


@pytest.mark.parametrize("method", CAUSAL)
def test_causal_padding_does_not_matter(method: str) -> None:
    model = approximated(method, "gpt2")
    alone, padded = text_batch([6], width=6), text_batch([6, 16])
    padded["input_ids"][0, :6] = alone["input_ids"][0]
    torch.testing.assert_close(hidden(model, padded)[0, :6], hidden(model, alone)[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", [name for name in SETTINGS if name not in CAUSAL])
def test_causal_attention_is_refused_by_name(method: str) -> None:
    with pytest.raises(PlanError, match=rf"transformer\.h\.0\.attn: {method} .*causal.*leak the future"):
        approximated(method, "gpt2")


@pytest.mark.parametrize("method", CAUSAL)
def test_a_cache_of_keys_is_refused(method: str) -> None:
    model, batch = approximated(method, "gpt2"), text_batch([8], width=8)
    with torch.no_grad():
        cache = model(**batch, use_cache=True).past_key_values
        with pytest.raises(PlanError, match=r"GPT2Attention.*1 queries for 9 keys.*without a cache"):
            model(input_ids=batch["input_ids"][:, :1], past_key_values=cache)


# what else is refused


@every_method
def test_sliding_windows_are_refused(method: str) -> None:
    with pytest.raises(PlanError, match=rf"model\.layers\.1\.attn: {method}.*sliding window"):
        compress(modernbert(), Plan({"model.layers.1.attn": SETTINGS[method]}))


@every_method
def test_heads_of_unknown_width_are_refused(method: str) -> None:
    model: Any = bert()
    attention = model.bert.encoder.layer[0].attention.self
    del attention.attention_head_size
    with pytest.raises(PlanError, match=f"{method}.*wide its heads"):
        METHODS[method].check(ATTENTION["bert"].format(0), attention, SETTINGS[method])


@pytest.mark.parametrize("method", ["lsh", "performer"])
@pytest.mark.parametrize("seed", [-1, 0.5, "0"])
def test_seeds_that_are_none_are_refused(method: str, seed: int | float | str) -> None:
    path = ATTENTION["bert"].format(0)
    with pytest.raises(PlanError, match=rf"{path}: {method}_seed .*{seed}"):
        compress(build("bert"), Plan({path: {**SETTINGS[method], f"{method}_seed": seed}}))


@pytest.mark.parametrize("method", ["lsh", "performer"])
def test_the_seed_decides(method: str) -> None:
    path, batch = ATTENTION["bert"].format(0), batch_for("bert")
    plans = [Plan({path: {**SETTINGS[method], f"{method}_seed": seed}}) for seed in (1, 1, 2)]
    first, again, other = (logits(compress(build("bert"), plan), batch) for plan in plans)
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)


@pytest.mark.parametrize("method", [name for name in SETTINGS if name not in ("performer", "linear_attention")])
def test_attention_dropout_stays(method: str) -> None:
    """Where there are weights to drop: the kernels have none."""
    made = METHODS[method].approximation("here", SETTINGS[method], 4).double()  # type: ignore[attr-defined]
    kept = asked(random_heads(1, 2, 20, 4, seed=0))
    dropping = replace(kept, dropout=0.9)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert torch.equal(made(kept), made(kept))
        assert not torch.allclose(made(dropping), made(dropping))


@pytest.mark.parametrize("method", [name for name in SETTINGS if name != "linear_attention"])
def test_scores_have_the_modules_scale(method: str) -> None:
    """A scale is as good as smaller queries; Performer's features take half of it from the keys."""
    made = METHODS[method].approximation("here", SETTINGS[method], 4).double()  # type: ignore[attr-defined]
    query, key, value = random_heads(1, 2, 20, 4, seed=0)
    scaled = made(replace(asked((query, key, value)), scale=0.1))
    by_hand = (query * 0.2**0.5, key * 0.2**0.5, value) if method == "performer" else (query * 0.2, key, value)
    torch.testing.assert_close(scaled, made(asked(by_hand)))
