"""A kept candidate can be trained on, whatever was rounded in it."""

import pytest
import torch

from greenfront.config import SpaceConfig
from greenfront.spaces import Plan, Space, complete, compress
from greenfront.spaces.quantized import QuantizedEmbedding, RoundedLinear
from greenfront.spaces.unrounding import unrounded
from tests.spaces.models import build, prepared

SPACE = SpaceConfig.model_validate({"methods": ["low_rank", "bits"], "bits": [8, "8w", 16], "low_rank": {"align": 4}})


def plan_with_everything(space: Space) -> Plan:
    """Every second choice of ranks, and every number format in turn."""
    settings: dict[str, dict[str, int | float | str]] = {}
    for number, choice in enumerate(space.choices):
        if choice.method == "bits" or number % 2:
            settings.setdefault(choice.site.path, {}).update(choice.settings[number % len(choice.settings)])
    return Plan(settings)


@pytest.mark.parametrize("name", ["bert", "gpt2", "albert"])
def test_rounding_again_gives_the_same_model(name: str) -> None:
    original, space, library = (getattr(prepared(name, SPACE), part) for part in ("model", "space", "library"))
    kept = compress(original, plan_with_everything(space), library)
    assert any(isinstance(module, RoundedLinear) for module in kept.modules())
    found = unrounded(original, kept)
    assert not any(isinstance(module, RoundedLinear | QuantizedEmbedding) for module in found.modules())
    assert all(parameter.requires_grad for parameter in found.parameters())
    complete(found)
    state = found.state_dict()
    assert state.keys() == kept.state_dict().keys()
    for key, value in kept.state_dict().items():
        torch.testing.assert_close(state[key], value, rtol=1e-6, atol=0, msg=key)


def test_what_is_not_rounded_is_itself() -> None:
    original = build("bert")
    kept = compress(original, Plan({"bert.encoder.layer.0.output.dense": {"rank": 8}}))
    state = unrounded(original, kept).state_dict()
    assert all(torch.equal(state[key], value) for key, value in kept.state_dict().items())
