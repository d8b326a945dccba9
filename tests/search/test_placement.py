"""How many workers a cluster has room for, and what is said where it hasn't."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.config import RayConfig, parse_config
from greenfront.errors import ConfigError, RunError
from greenfront.search.placement import Needs, check_room, room
from tests.greenfront.raw_config import minimal

amounts = st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.0])
needs = st.builds(Needs, amounts, st.sampled_from([0.0, 0.5, 1.0]), custom=st.dictionaries(st.just("pi"), amounts))
nodes = st.lists(
    st.dictionaries(st.sampled_from(["CPU", "GPU", "pi"]), st.sampled_from([0.5, 1.0, 2.0, 8.0])), max_size=3
)


@given(needs, nodes)
def test_as_many_fit_as_can_be_taken_away_one_by_one(needs: Needs, nodes: list[dict[str, float]]) -> None:
    placed = 0
    for node in nodes:
        left = dict(node)
        while all(left.get(name, 0.0) >= amount for name, amount in needs.amounts().items()):
            left = {name: amount - needs.amounts().get(name, 0.0) for name, amount in left.items()}
            placed += 1
    assert room(needs, nodes) == placed


@given(needs, nodes, st.integers(1, 20))
def test_more_than_fit_are_refused_and_no_others(needs: Needs, nodes: list[dict[str, float]], workers: int) -> None:
    if room(needs, nodes) >= workers:
        check_room(workers, needs, nodes)
    else:
        with pytest.raises(RunError, match=rf"^ray\.workers: .* room for {room(needs, nodes)} of {workers} with "):
            check_room(workers, needs, nodes)


def test_what_is_missing_is_said() -> None:
    each, two = Needs(2.0, 0.5, 4_000_000_000), [{"CPU": 4.0, "GPU": 1.0, "memory": 1e10}] * 2
    check_room(4, each, two)
    with pytest.raises(
        RunError,
        match=r"^ray\.workers: must be as many as the cluster can place, but its 2 nodes have room for 4 of 6 with "
        r"2 CPU, 0\.5 GPU, 4 GB memory each: 4 CPU, 1 GPU, 4 GB memory missing$",
    ):
        check_room(6, each, two)
    with pytest.raises(RunError, match=r"its 1 node has room for 1 of 2 with 3 CPU each: 1 CPU missing$"):
        check_room(2, Needs(3.0), [{"CPU": 5.0}])
    with pytest.raises(RunError, match=r"its 2 nodes have room for 2 of 3 .*: no node has enough left for one more$"):
        check_room(3, Needs(3.0), [{"CPU": 5.0}] * 2)
    with pytest.raises(RunError, match=r"^ray: the cluster must have room, but its 1 node has room for 0 of 1 .*1 pi"):
        check_room(None, Needs(1.0, custom={"pi": 1.0}), [{"CPU": 4.0}])


def test_an_autoscaler_may_find_the_rest() -> None:
    check_room(6, Needs(2.0), [{"CPU": 4.0}], later={"CPU": 16})
    with pytest.raises(RunError, match=r"room for 2 of 9 .*: 2 CPU missing$"):
        check_room(9, Needs(2.0), [{"CPU": 4.0}], later={"CPU": 16})


def ray(**keys: object) -> RayConfig:
    return parse_config(minimal(ray=keys)).ray


def test_a_worker_takes_what_the_yaml_says() -> None:
    assert Needs.of(ray()) == Needs(1.0)
    assert Needs.of(ray(threads_per_worker=4)) == Needs(4.0)
    asked = ray(address="auto", resources_per_worker={"cpu": 0.5, "gpu": 0.25, "memory": "2 GB", "custom": {"pi": 1}})
    assert Needs.of(asked).options() == {
        "num_cpus": 0.5, "num_gpus": 0.25, "memory": 2_000_000_000, "resources": {"pi": 1.0}
    }  # fmt: skip
    assert asked.threads_per_worker == 1


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"resources_per_worker": {"gpu": 1.5}}, "gpu: must be at most 1, or a whole number, but got 1.5"),
        ({"resources_per_worker": {"memory": "50%"}}, "memory: must be a size such as `4 GB`, but got '50%'"),
        ({"resources_per_worker": {"custom": {"GPU": 1}}}, "must name a resource that Ray doesn't count itself"),
        ({"resources_per_worker": {"custom": {"pi": 0}}}, "`pi` must be above 0 and at most 1, or a whole number"),
        ({"resources_per_worker": {"custom": {"pi": 1}}}, "must have a cluster's `address`"),
        ({"resources_per_worker": {"cpus": 1}}, "cpus"),
    ],
)
def test_what_a_worker_cannot_take_is_refused(keys: dict[str, object], said: str) -> None:
    address = {} if "address" in said else {"address": "auto"}
    with pytest.raises(ConfigError) as caught:
        ray(**address, **keys)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("study.db", "must be a URL such as postgresql://USER@HOST/DATABASE or sqlite:///FILE, but got 'study.db'"),
        ("postgresql://me:secret@host/db", "must hold no password"),
    ],
)
def test_a_storage_that_is_no_url_or_a_secret_is_refused(url: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(minimal(search={"storage": url}))
    assert said in str(caught.value)
    parse_config(minimal(search={"storage": "postgresql://me@host/db"}))
