"""One approximation an attention: how several methods share a site, in spaces, plans and defaults."""

import random

import pytest

from greenfront.config import SpaceConfig
from greenfront.errors import ConfigError, PlanError
from greenfront.spaces import Plan, Settings, Space, compress, find_space
from greenfront.spaces.compression import method_name
from tests.spaces.architectures import bart
from tests.spaces.models import build, logits, text_batch

PATH = "bert.encoder.layer.0.attention.self"
NEW = ("window", "clustered", "lsh", "performer", "linear_attention", "sign_matching")


def space_of(sequence_length: int = 16, /, **options: object) -> Space:
    return find_space(build("bert"), SpaceConfig.model_validate(options), sequence_length)


def methods_offered(space: Space) -> list[str]:
    return list(dict.fromkeys(method_name(choice, s) for choice in space.choices for s in choice.settings))


def test_methods_of_one_attention_are_one_choice() -> None:
    space = space_of(methods=["low_rank", "window", "linformer"], window=[3, 2], linformer={"lengths": [4]})
    attention = [choice for choice in space.choices if choice.site.kind == "attention"]
    assert [choice.name for choice in attention] == [f"{PATH}:attention", f"{PATH.replace('0', '1')}:attention"]
    assert attention[0].settings == ({"window": 2}, {"window": 3}, {"linformer": 4, "linformer_positions": 16})
    assert len({choice.name for choice in space.choices}) == len(space.choices)


@pytest.mark.parametrize("method", ["linformer", *NEW])
def test_alone_a_method_keeps_its_name(method: str) -> None:
    space = space_of(64, methods=[method])
    assert {choice.name.rpartition(":")[2] for choice in space.choices} == {method}


def test_points_and_plans_of_a_shared_choice() -> None:
    space = space_of(methods=["linformer", *NEW], linformer={"lengths": [4]}, random_seed=3)
    assert space == Space.from_json(space.to_json())
    for index, settings in enumerate(space.choices[0].options):
        plan = space.plan([index, len(space.choices[1].settings)])
        assert plan == Plan({PATH: settings})
        assert space.indices(plan) == (index, len(space.choices[1].settings))
    batch = text_batch([16, 9])
    for seed in range(5):
        plan = space.random(random.Random(seed))
        assert all(sum(key in settings for key in ("linformer", *NEW)) == 1 for settings in plan.values())
        assert logits(compress(build("bert"), plan), batch).isfinite().all()


@pytest.mark.parametrize(("both", "names"), [
    ({"window": 3, "lsh": 2}, "window and lsh"),
    ({"linformer": 4, "linformer_positions": 16, "performer": 8}, "linformer and performer"),
])  # fmt: skip
def test_two_approximations_at_one_attention_are_refused(both: Settings, names: str) -> None:
    with pytest.raises(PlanError, match=rf"{PATH}: {names} exclude each other"):
        compress(build("bert"), Plan({PATH: both}))
    space = space_of(methods=["window", "lsh"], window=[3], lsh=[2])
    with pytest.raises(PlanError, match=PATH):
        space.indices(Plan({PATH: {"window": 3, "lsh": 2}}))


# what is offered


DEFAULT = ["blocks", "heads", "width", "low_rank", "embeddings"]


@pytest.mark.parametrize(("tokens", "expected"), [
    (128, []), (255, []), (1024, list(NEW)),
    *((tokens, [name for name in NEW if name != "lsh"]) for tokens in (256, 1023)),
])  # fmt: skip
def test_by_default_they_are_for_long_inputs(tokens: int, expected: list[str]) -> None:
    assert methods_offered(space_of(tokens)) == [*DEFAULT, "linformer", *expected, "bits"]


@pytest.mark.parametrize("tokens", [16, 100, 512])
def test_by_name_they_are_offered_at_any_length(tokens: int) -> None:
    assert methods_offered(space_of(tokens, methods=list(NEW))) == list(NEW)


@pytest.mark.parametrize(("method", "expected"), [
    ("window", [32, 64]), ("clustered", [32, 64]), ("lsh", [32, 64]), ("performer", [32, 64]),
    ("linear_attention", [1]), ("sign_matching", [32, 64]),
])  # fmt: skip
@pytest.mark.parametrize("tokens", [512, 700])
def test_amounts_suit_the_length(method: str, expected: list[int], tokens: int) -> None:
    choice, *_ = space_of(tokens, methods=[method]).choices
    assert [settings[method] for settings in choice.settings] == expected


@pytest.mark.parametrize("method", [name for name in NEW if name != "linear_attention"])
def test_amounts_asked_for_are_offered_ascending(method: str) -> None:
    choice, *_ = space_of(methods=[method], **{method: [12, 3]}).choices
    assert [settings[method] for settings in choice.settings] == [3, 12]
    with pytest.raises(ConfigError, match=rf"space\.{method}.*16 tokens.*but got 16, 40"):
        space_of(methods=[method], **{method: [3, 16, 40]})


def test_a_seed_stands_in_the_settings() -> None:
    space = space_of(methods=["lsh", "performer", "window"], lsh=[2], performer=[4], window=[3], random_seed=7)
    assert space.choices[0].settings == (
        {"lsh": 2, "lsh_seed": 7}, {"performer": 4, "performer_seed": 7}, {"window": 3}
    )  # fmt: skip


def test_one_refusal_names_all_methods() -> None:
    found = find_space(bart(), SpaceConfig(methods=("linformer", "window", "clustered")), 64)
    cross = [refusal for refusal in found.refusals if "cross-attention" in refusal.reason]
    assert [(refusal.path, refusal.method) for refusal in cross] == [
        ("model.decoder.layers.0.encoder_attn", "linformer, window, clustered")
    ]
    causal = [refusal for refusal in found.refusals if "causal" in refusal.reason]
    assert {refusal.method for refusal in causal} == {"linformer", "clustered"}
    decoder = next(choice for choice in found.choices if "decoder" in choice.site.path)
    assert (decoder.site.path, decoder.method) == ("model.decoder.layers.0.self_attn", "window")
