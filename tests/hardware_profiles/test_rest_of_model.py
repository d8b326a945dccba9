import pytest

from greenfront.hardware_profiles.groups import group_sites
from greenfront.hardware_profiles.operations import Operation, Operations
from greenfront.hardware_profiles.rest_of_model import RestOfModel
from greenfront.hardware_profiles.torch_runtime import TorchRuntime
from greenfront.hardware_profiles.tracing import trace
from greenfront.hardware_profiles.workload import workload
from tests.hardware_profiles.tiny import Tiny


@pytest.fixture(scope="module")
def operations(tiny: Tiny) -> Operations:
    uses = trace(tiny.model, workload(tiny.model, tiny.target), [site.path for site in tiny.space.sites])
    return Operations(group_sites(tiny.space, uses), tiny.model, TorchRuntime(tiny.target))


def lines(rest: RestOfModel, operation: Operation, chain: int) -> int:
    """How many lines of a cache are read: all bytes are ones, of which every 64th is added up."""
    return int(rest.read(operation, chain)())


def test_what_is_read_is_a_model_compressed_alike_without_the_chain(tiny: Tiny, operations: Operations) -> None:
    runtime = TorchRuntime(tiny.target)
    rest = RestOfModel(tiny.model, operations, runtime)
    elsewhere = runtime.weight_bytes(tiny.model) - runtime.weight_bytes(tiny.model.get_input_embeddings())
    dense = {o.group.name: o.holding.bytes for o in operations.measured.values() if not o.settings}
    for operation in operations.measured.values():
        if "embedding" in operation.group.name.lower():
            continue
        share = operation.holding.bytes / dense[operation.group.name]
        wanted = max(share * elsewhere - 2 * operation.holding.bytes, 0)
        assert 64 * lines(rest, operation, 2) == pytest.approx(wanted, abs=128)


def test_between_two_lookups_all_the_rest_is_read(tiny: Tiny, operations: Operations) -> None:
    runtime = TorchRuntime(tiny.target)
    rest = RestOfModel(tiny.model, operations, runtime)
    elsewhere = runtime.weight_bytes(tiny.model) - runtime.weight_bytes(tiny.model.get_input_embeddings())
    lookups = [o for o in operations.measured.values() if "embedding" in o.group.name.lower()]
    whole = next(o for o in lookups if not o.settings)
    for operation in lookups:
        share = operation.holding.bytes / whole.holding.bytes
        assert 64 * lines(rest, operation, 1) == pytest.approx(share * elsewhere, abs=128)


def test_a_smaller_rank_leaves_less_to_read(tiny: Tiny, operations: Operations) -> None:
    rest = RestOfModel(tiny.model, operations, TorchRuntime(tiny.target))
    ranks = [o for o in operations.measured.values() if "rank" in o.settings]
    by_group = {o.group.name for o in ranks}
    for group in by_group:
        of_group = sorted((o for o in ranks if o.group.name == group), key=lambda o: int(o.settings["rank"]))
        read = [lines(rest, operation, 1) for operation in of_group]
        assert read == sorted(read)
    assert any(lines(rest, operation, 1) > 0 for operation in ranks)
