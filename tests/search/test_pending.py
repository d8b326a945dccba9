"""Climbs that were given to workers, against lists that are looked through."""

from hypothesis import given
from hypothesis import strategies as st

from greenfront.search.journal import RungScore
from greenfront.search.pending import Pending
from greenfront.search.promotions import Climb
from greenfront.search.study import Proposal
from greenfront.spaces import Plan


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=30))
def test_what_is_counted_along_is_what_is_there(history: list[tuple[int, bool]]) -> None:
    pending, known = Pending(), dict[int, Climb]()
    for number, goes_on in history:
        if number in known and not goes_on:
            assert pending.pop(number) == known.pop(number)
        else:
            behind = (RungScore(5, 0.9, 0.1, 1.0),) if goes_on else ()
            climb = Climb(Proposal(number, Plan({f"layer.{number}": {"rank": 8}}), "sampler"), 0, None, behind)
            pending.add(climb)
            known.setdefault(number, climb)
        assert list(pending.climbs) == list(known.values())
        assert set(pending.plans) == {climb.proposal.plan for climb in known.values()}
        assert pending.new == sum(not climb.behind for climb in known.values())
