import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import nn

from greenfront.config import EmbeddingsConfig, LinformerConfig, LowRankConfig, SpaceConfig
from greenfront.errors import MeasureError
from greenfront.hardware_profiles.groups import Group, grid, group_sites
from greenfront.hardware_profiles.operations import CHAIN, POINTS, Operation, Operations
from greenfront.hardware_profiles.sampling import Run
from greenfront.hardware_profiles.torch_runtime import TorchRuntime
from greenfront.hardware_profiles.tracing import trace
from greenfront.hardware_profiles.workload import workload
from greenfront.spaces import Settings, Space, find_space
from greenfront.spaces.modules import LowRankLinear
from tests.hardware_profiles.tiny import LENGTH, Tiny

MANY_RANKS = SpaceConfig(
    methods=("low_rank", "embeddings", "linformer"),
    low_rank=LowRankConfig(align=2),
    embeddings=EmbeddingsConfig(align=2),
    linformer=LinformerConfig(lengths=(8, 16)),
)


class Picky(TorchRuntime):
    """Refuses low-rank linears of some ranks, or all attentions."""

    def __init__(self, tiny: Tiny, ranks: Sequence[int] = (), attention: bool = False) -> None:
        super().__init__(tiny.target)
        self.ranks, self.attention = ranks, attention

    def prepare(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Run:
        if isinstance(module, LowRankLinear) and module.rank in self.ranks:
            raise MeasureError(f"no rank {module.rank} here")
        if self.attention and "Attention" in type(module).__name__:
            raise MeasureError("no attention here")
        return super().prepare(module, args, kwargs)


def groups_of(tiny: Tiny, space: Space) -> list[Group]:
    uses = trace(tiny.model, workload(tiny.model, tiny.target), [site.path for site in space.sites])
    return group_sites(space, uses)


@pytest.fixture(scope="module")
def groups(tiny: Tiny) -> list[Group]:
    return groups_of(tiny, tiny.space)


@pytest.fixture(scope="module")
def operations(tiny: Tiny, groups: list[Group]) -> list[Operation]:
    return list(Operations(groups, tiny.model, TorchRuntime(tiny.target)).measured.values())


@pytest.fixture(scope="module")
def many(tiny: Tiny) -> list[Group]:
    """Sites with up to 21 ranks each, odd multiples of 2."""
    return groups_of(tiny, find_space(tiny.model, MANY_RANKS, LENGTH))


def test_sites_that_cost_the_same_are_one_group(tiny: Tiny, groups: list[Group]) -> None:
    # the table; q, k, v and the attention's output; the two sides of the feed-forward; the attention itself
    assert sorted(len(group.paths) for group in groups) == [1, 3, 3, 3, 12]
    assert sorted(path for group in groups for path in group.paths) == sorted(s.path for s in tiny.space.sites)
    assert all(group.calls == len(group.paths) for group in groups)


def test_few_settings_are_all_measured_and_the_original_too(groups: list[Group], operations: list[Operation]) -> None:
    assert len(operations) == sum(len(group.settings) for group in groups) == 5 * 3
    assert all(group.settings[-1] == {} for group in groups)
    assert len({operation.name for operation in operations}) == len(operations)


def test_a_chain_holds_a_groups_modules_up_to_its_limit(operations: list[Operation]) -> None:
    for operation in operations:
        assert len(operation.chain) == min(CHAIN, len(operation.group.paths))


def test_what_an_operation_holds_is_what_its_formula_says(operations: list[Operation]) -> None:
    found = {
        o.settings.get("rank", "dense"): o.holding
        for o in operations
        if o.group.name.startswith("Linear(weight[128, 64]")
    }
    tokens = 2 * 32
    assert found["dense"].parameters == 128 * 64 + 128
    assert found["dense"].flops == 2 * tokens * 128 * 64
    for rank in (8, 16):
        assert found[rank].parameters == rank * (128 + 64) + 128
        assert found[rank].bytes == 4 * found[rank].parameters
        assert found[rank].flops == 2 * tokens * rank * (128 + 64)


def test_every_operation_runs_and_gives_finite_numbers_of_one_shape(operations: list[Operation]) -> None:
    shapes: dict[str, set[torch.Size]] = {}
    for operation in operations:
        for run in operation.chain:
            outputs = run()
            outputs = outputs[0] if isinstance(outputs, tuple) else outputs
            assert torch.isfinite(outputs).all()
            shapes.setdefault(operation.group.name, set()).add(outputs.shape)
    assert all(len(found) == 1 for found in shapes.values())


def test_building_leaves_the_model_as_it_is(tiny: Tiny, groups: list[Group]) -> None:
    before = {name: weight.clone() for name, weight in tiny.model.state_dict().items()}
    Operations(groups, tiny.model, TorchRuntime(tiny.target))
    after = tiny.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_module_that_is_never_called_costs_no_time(tiny: Tiny) -> None:
    groups = group_sites(Space(tiny.space.choices[:1]), {})
    for operation in Operations(groups, tiny.model, TorchRuntime(tiny.target)).measured.values():
        assert operation.chain == ()
        assert operation.holding.flops == 0
        assert operation.holding.parameters > 0


def test_of_many_settings_a_grid_is_measured_and_all_others_lie_between(tiny: Tiny, many: list[Group]) -> None:
    operations = Operations(many, tiny.model, TorchRuntime(tiny.target))
    measured = {(o.group.name, o.settings.get("rank")) for o in operations.measured.values()}
    between = {(i.group, i.settings.get("rank")) for i in operations.interpolated}
    assert not measured & between
    for group in many:
        ranks = [settings["rank"] for settings in group.settings if "rank" in settings]
        known = [rank for name, rank in measured if name == group.name and rank is not None]
        assert {*known, *(rank for name, rank in between if name == group.name)} == set(ranks)
        if len(ranks) > POINTS:
            assert len(known) == POINTS
            assert {min(ranks), max(ranks)} <= set(known)


def test_a_setting_between_two_knows_what_it_holds_and_where_it_lies(tiny: Tiny, many: list[Group]) -> None:
    tokens = 2 * 32
    found = [
        entry
        for entry in Operations(many, tiny.model, TorchRuntime(tiny.target)).interpolated
        if entry.group.startswith("Linear(weight[128, 64]")
    ]
    assert found
    for entry in found:
        rank, below, above = (int(each["rank"]) for each in (entry.settings, entry.below, entry.above))
        assert below < rank < above
        assert entry.share == pytest.approx((rank - below) / (above - below))  # FLOPs are linear in the rank
        assert entry.parameters == rank * (128 + 64) + 128
        assert entry.flops == 2 * tokens * rank * (128 + 64)


def test_refining_halves_gaps_where_interpolation_is_off(tiny: Tiny, many: list[Group]) -> None:
    operations = Operations(many, tiny.model, TorchRuntime(tiny.target))
    group = next(group for group in many if group.name.startswith("Linear(weight[128, 64]"))
    ranks = sorted(int(o.settings["rank"]) for o in operations.measured.values() if o.group is group and o.settings)
    step = ranks[2]

    def stepped(name: str, settings: Settings) -> float:
        """Straight lines everywhere, but for one jump in one group."""
        rank = float(settings.get("rank", 50))
        return rank + (1000 if name == group.name and rank >= step else 0)

    assert operations.refine(stepped, tolerance_ms=1e9, most=9) == []
    added = operations.refine(stepped, tolerance_ms=1.0, most=9)
    assert all(operation.group is group for operation in added)
    found = {int(operation.settings["rank"]) for operation in added}
    assert any(ranks[1] < rank < step for rank in found)  # the gap with the jump is among those that were halved
    assert len(operations.refine(stepped, tolerance_ms=1.0, most=1)) == 1


def test_straight_lines_need_no_refining(tiny: Tiny, many: list[Group]) -> None:
    operations = Operations(many, tiny.model, TorchRuntime(tiny.target))
    assert operations.refine(lambda _name, settings: float(settings.get("rank", 9)), 1e-6, most=9) == []


def test_a_refused_setting_is_left_out_and_its_neighbours_are_tried(tiny: Tiny, many: list[Group]) -> None:
    group = next(group for group in many if group.name.startswith("Linear(weight[128, 64]"))
    ranks = [int(settings["rank"]) for settings in group.settings if settings]
    operations = Operations([group], tiny.model, Picky(tiny, ranks=ranks[:3]))
    assert {(r.site, int(r.settings["rank"])) for r in operations.refused} == set(
        itertools.product(group.paths, ranks[:3])
    )
    assert {r.reason for r in operations.refused} == {f"no rank {rank} here" for rank in ranks[:3]}
    assert operations.interpolated == []
    assert [o.settings.get("rank") for o in operations.measured.values()].count(ranks[3]) == 1


def test_what_is_refused_alone_is_neither_tried_nor_named_together_with_others(tiny: Tiny) -> None:
    config = SpaceConfig(methods=("low_rank", "bits"), low_rank=LowRankConfig(align=8))
    groups = groups_of(tiny, find_space(tiny.model, config, LENGTH))
    group = next(group for group in groups if group.name.startswith("Linear(weight[128, 64]"))
    rank = min(int(settings["rank"]) for settings in group.settings if "rank" in settings)
    together = [settings for settings in group.settings if settings.get("rank") == rank and "bits" in settings]
    assert together
    operations = Operations([group], tiny.model, Picky(tiny, ranks=[rank]))
    assert {(r.site, str(r.settings)) for r in operations.refused} == {
        (path, str({"rank": rank})) for path in group.paths
    }
    assert not [o for o in operations.measured.values() if o.settings in together]
    assert not [each for each in operations.interpolated if each.settings in together]


def test_without_its_original_nothing_of_a_group_can_be_compared(tiny: Tiny, many: list[Group]) -> None:
    operations = Operations(many, tiny.model, Picky(tiny, attention=True))
    attention = next(group for group in many if "Attention" in group.name)
    assert {r.site for r in operations.refused} == set(attention.paths)
    assert len(operations.refused) == len(attention.paths) * 2
    assert all(r.reason == "no attention here" for r in operations.refused)
    assert not any(o.group is attention for o in operations.measured.values())


@pytest.mark.parametrize(("count", "points"), [(1, 5), (2, 5), (5, 5), (6, 5), (47, 5), (23, 2)])
def test_a_grid_is_spread_evenly_and_holds_both_ends(count: int, points: int) -> None:
    places = grid(count, points)
    assert len(places) == min(count, points) == len(set(places))
    assert {places[0], places[-1]} == {0, count - 1}
    steps = [after - before for before, after in itertools.pairwise(places)]
    assert not steps or max(steps) - min(steps) <= 1
