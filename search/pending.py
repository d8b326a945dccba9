"""What workers have been given, or are about to be given again."""

from collections.abc import Collection

from greenfront.search.promotions import Climb
from greenfront.spaces import Plan


class Pending:
    """Climbs by their trial's number; what is asked of them for every proposal is counted along."""

    def __init__(self) -> None:
        self._climbs = dict[int, Climb]()
        self._plans = dict[Plan, int]()
        self.new = 0
        """Those that were on no rung before."""

    def add(self, climb: Climb) -> None:
        """Take one in; one that is there already stays."""
        number = climb.proposal.number
        if number not in self._climbs:
            self._climbs[number] = climb
            self._plans[climb.proposal.plan] = number
            self.new += not climb.behind

    def pop(self, number: int) -> Climb:
        """Take one out."""
        climb = self._climbs.pop(number)
        del self._plans[climb.proposal.plan]
        self.new -= not climb.behind
        return climb

    @property
    def climbs(self) -> Collection[Climb]:
        """All of them."""
        return self._climbs.values()

    @property
    def plans(self) -> Collection[Plan]:
        """Theirs."""
        return self._plans.keys()
