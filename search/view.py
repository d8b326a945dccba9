"""What the pictures of a front show, before it is drawn: groups of candidates, budget lines, the y range."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from greenfront.config import CostName
from greenfront.search import slack, wording
from greenfront.search.candidate import Candidate
from greenfront.search.front import Front

# Okabe and Ito's palette: tells the groups apart with any colour vision.
BLUE, SKY, VERMILLION, ORANGE, GREEN, GREY = "#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#009E73", "#8A8A8A"


SPREAD = 6.0
"""An axis on which what is shown differs by more than this factor is logarithmic: candidates of a tenth of the
original's cost would all stand at its edge."""


@dataclass(frozen=True)
class Scale:
    """The axis of one cost, from `low` to `high` in its unit."""

    low: float
    high: float
    logarithmic: bool

    def place(self, value: float) -> float:
        """Where a value stands, as a share of the axis."""
        low, high, value = (math.log(x) if self.logarithmic else x for x in (self.low, self.high, value))
        return (value - low) / (high - low)

    def ticks(self) -> list[float]:
        """1, 2 and 5 times powers of ten, of a logarithmic axis."""
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        found = [times * 10.0**power for power in powers for times in (1, 2, 5)]
        return [value for value in found if self.low <= value <= self.high]


@dataclass(frozen=True)
class Groups:
    """The candidates by how they are drawn; each stands in one group, the original in none."""

    front: tuple[Candidate, ...]
    dominated: tuple[Candidate, ...]
    infeasible: tuple[Candidate, ...]
    unverified: tuple[Candidate, ...]


def groups(front: Front) -> Groups:
    """Divide the candidates: on the front (cheapest first), dominated, missing a budget, only predicted."""
    members = front.members
    chosen = {candidate.id for candidate in members}
    others = [c for c in front.candidates if c.id not in chosen and c.id != front.original.id]
    return Groups(
        front=members,
        dominated=tuple(c for c in others if c.verified and c.feasible),
        infeasible=tuple(c for c in others if c.verified and not c.feasible),
        unverified=tuple(c for c in others if not c.verified),
    )


def front_name(front: Front) -> str:
    """What the front is called: where nothing meets every budget, the front of those that come near is shown."""
    if all(candidate.feasible for candidate in front.members):
        return "Pareto front"
    return "Pareto front, misses a budget"


def cost_lines(front: Front, target: str, name: CostName) -> list[tuple[float, str]]:
    """The budgets on one cost as (limit in its unit, words)."""
    original = slack.reference_costs(front.original)[target]
    return [
        (slack.cost_limit(key, bound, original), f"{wording.plain(key)} budget {bound.text}")
        for key, bound in slack.cost_bounds(front.budgets).items()
        if slack.cost_name(key) == name
    ]


def cost_scale(front: Front, target: str, name: CostName) -> Scale:
    """The range of a cost that holds every candidate, the original and the budgets."""
    values = [c.costs()[target].value(name) for c in (front.original, *front.candidates)]
    values += [limit for limit, _ in cost_lines(front, target, name)]
    least, most = min(values), max(values)
    if least > 0 and most > SPREAD * least:
        return Scale(least / 1.3, 1.3 * most, True)
    return Scale(0.0, 1.08 * most if most > 0 else 1.0, False)


def score_lines(front: Front) -> list[tuple[float, str]]:
    """The budgets on quality as (least score, words)."""
    floors = slack.accuracy_floors(front.budgets, front.original.score.validation)
    text = slack.budgets_to_text(front.budgets)
    return [(floor, f"{wording.plain(key)} budget {text[key]}") for key, floor in floors.items()]


def score_range(front: Front) -> tuple[float, float]:
    """The range of scores worth looking at: original, front and budgets, and as much again below them.

    Candidates that training could not save lie far below; drawing them would squash the front into a line.
    """
    shown = groups(front)
    known = [front.original.score.validation, *(line for line, _ in score_lines(front))]
    known += [c.score.validation for c in shown.front or shown.dominated or shown.infeasible]
    known = [value for value in known if value == value]
    high, low = max(known, default=1.0), min(known, default=0.0)
    span = max(high - low, 0.01)
    return low - span, high + 0.35 * span


def readable(places: Sequence[tuple[float, float]], gap: tuple[float, float]) -> list[bool]:
    """Which labels to write: in order, each that keeps `gap` (width, height) from those before."""
    written: list[tuple[float, float]] = []
    chosen = []
    for x, y in places:
        free = all(abs(x - other[0]) > gap[0] or abs(y - other[1]) > gap[1] for other in written)
        chosen.append(free)
        if free:
            written.append((x, y))
    return chosen


def below(front: Front, low: float) -> int:
    """How many candidates score less than `low`, or nothing at all, and so are out of the picture."""
    return sum(not candidate.score.validation >= low for candidate in front.candidates)
