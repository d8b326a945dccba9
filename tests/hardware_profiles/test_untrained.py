import itertools
import random
from functools import partial

import pytest
import torch
from torch import nn

from greenfront.hardware_profiles.untrained import Untrained
from greenfront.hardware_profiles.workload import workload
from greenfront.spaces import compress
from tests.hardware_profiles.tiny import Tiny


class Shaped(nn.Module):
    """A linear of other width, with a buffer of fractions and, if asked for, one of whole numbers."""

    def __init__(self, before: nn.Linear, whole: bool) -> None:
        super().__init__()
        device = before.weight.device
        self.weight = nn.Parameter(torch.zeros(3, 3, device=device))
        self.again = self.weight
        self.register_buffer("features", torch.zeros(5, device=device))
        if whole:
            self.register_buffer("places", torch.arange(4, device=device))


@pytest.mark.parametrize("seed", range(3))
def test_a_candidate_is_the_compressed_model_but_for_its_values(tiny: Tiny, seed: int) -> None:
    plan = tiny.space.random(random.Random(seed))
    built, expected = Untrained(tiny.model).build(partial(compress, plan=plan)), compress(tiny.model, plan)
    assert {k: v.shape for k, v in built.state_dict().items()} == {k: v.shape for k, v in expected.state_dict().items()}
    assert not built.training
    with torch.inference_mode():
        logits = built(**workload(tiny.model, tiny.target)).logits
    assert logits.shape == (2, 3)
    assert torch.isfinite(logits).all()


def test_what_a_plan_leaves_alone_is_the_models_own(tiny: Tiny) -> None:
    plan = tiny.space.plan([len(choice.settings) for choice in tiny.space.choices[:-1]] + [0])
    (path,) = plan
    built = Untrained(tiny.model).build(partial(compress, plan=plan))
    own = dict(tiny.model.named_parameters())
    for name, weight in built.named_parameters():
        assert (weight is own.get(name)) == (not name.startswith(path) or name in own)


def test_all_copies_share_one_memory(tiny: Tiny) -> None:
    untrained, own = Untrained(tiny.model), {weight.data_ptr() for weight in tiny.model.parameters()}
    cheapest = tiny.space.plan([0] * len(tiny.space.choices))
    dearer = tiny.space.plan([1] * len(tiny.space.choices))
    untrained.build(partial(compress, plan=dearer))
    storages = {
        weight.untyped_storage().data_ptr()
        for plan in (cheapest, dearer)
        for weight in untrained.build(partial(compress, plan=plan)).parameters()
        if weight.data_ptr() not in own
    }
    assert len(storages) == 1


def test_weights_of_one_copy_do_not_overlap(tiny: Tiny) -> None:
    plan = tiny.space.plan([0] * len(tiny.space.choices))
    built = Untrained(tiny.model).build(partial(compress, plan=plan))
    places = sorted((weight.data_ptr(), weight.numel() * weight.element_size()) for weight in built.parameters())
    assert all(start + size <= after for (start, size), (after, _) in itertools.pairwise(places))


def test_ties_and_buffers_are_kept() -> None:
    built = Untrained(nn.Linear(4, 4)).build(lambda module: Shaped(module, whole=False))
    assert built.weight is built.again
    assert torch.isfinite(built.get_buffer("features")).all()


def test_whole_numbers_are_left_to_the_method() -> None:
    built = Untrained(nn.Linear(4, 4)).build(lambda module: Shaped(module, whole=True))
    assert built.get_buffer("places").tolist() == [0, 1, 2, 3]


def test_the_model_stays_as_it_is(tiny: Tiny) -> None:
    before = {name: weight.clone() for name, weight in tiny.model.state_dict().items()}
    plan = tiny.space.plan([0] * len(tiny.space.choices))
    Untrained(tiny.model).build(partial(compress, plan=plan))
    after = tiny.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
