import pytest
import torch

from greenfront.hardware_profiles.operations import CHAIN, Group, Operation, build_operations, group_sites
from greenfront.hardware_profiles.torch_runtime import TorchRuntime
from greenfront.hardware_profiles.tracing import trace
from greenfront.hardware_profiles.workload import workload
from greenfront.spaces import Space
from tests.hardware_profiles.tiny import Tiny


@pytest.fixture(scope="module")
def groups(tiny: Tiny) -> list[Group]:
    inputs = workload(tiny.model, tiny.target)
    with torch.inference_mode():
        uses = trace(tiny.model, lambda: tiny.model(**inputs), [site.path for site in tiny.space.sites])
    return group_sites(tiny.space, uses)


@pytest.fixture(scope="module")
def operations(tiny: Tiny, groups: list[Group]) -> list[Operation]:
    runtime = TorchRuntime("cpu", 1)
    return [operation for group in groups for operation in build_operations(group, tiny.model, runtime)]


def test_sites_that_cost_the_same_are_one_group(tiny: Tiny, groups: list[Group]) -> None:
    # the table; q, k, v and the attention's output; the two sides of the feed-forward; the attention itself
    assert sorted(len(group.paths) for group in groups) == [1, 3, 3, 3, 12]
    assert sorted(path for group in groups for path in group.paths) == sorted(s.path for s in tiny.space.sites)


def test_every_setting_is_an_operation_and_the_original_too(groups: list[Group], operations: list[Operation]) -> None:
    assert len(operations) == sum(len(group.settings) for group in groups) == 5 * 3
    assert all(group.settings[-1] == {} for group in groups)
    assert len({operation.name for operation in operations}) == len(operations)


def test_a_chain_holds_a_groups_modules_up_to_its_limit(operations: list[Operation]) -> None:
    for operation in operations:
        assert len(operation.chain) == min(CHAIN, len(operation.group.paths))


def test_what_an_operation_holds_is_what_its_formula_says(operations: list[Operation]) -> None:
    found = {
        o.settings.get("rank", "dense"): o for o in operations if o.group.name.startswith("Linear(weight[128, 64]")
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
    for group in groups:
        list(build_operations(group, tiny.model, TorchRuntime("cpu", 1)))
    after = tiny.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_module_that_is_never_called_costs_no_time(tiny: Tiny) -> None:
    (group, *_) = group_sites(Space(tiny.space.choices[:1]), {})
    for operation in build_operations(group, tiny.model, TorchRuntime("cpu", 1)):
        assert operation.chain == ()
        assert operation.flops == 0
        assert operation.parameters > 0
