"""The order in which a preference ranks candidates, with the reasons in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from greenfront.evaluators.direction import natural
from greenfront.search import wording
from greenfront.search.candidate import Candidate
from greenfront.search.slack import cost_name, minimised


@dataclass(frozen=True)
class Ranking:
    """Candidates, best first, why the first is first, and what the order went by."""

    order: tuple[Candidate, ...]
    reason: str
    axis: str
    target: str
    distances: dict[str, float] = field(default_factory=dict)
    """The distance from the chord by id, where the knee was asked for."""

    def lost(self, runner_up: Candidate, metric: str) -> str:
        """Why `runner_up` isn't the first, in words."""
        winner, name = self.order[0], cost_name(self.axis)
        difference = natural(metric, runner_up.score.validation) - natural(metric, winner.score.validation)
        own = runner_up.costs()[self.target].value(name)
        compared = wording.compared(name, winner.costs()[self.target].value(name), own)
        words = []
        if self.distances:
            own_distance, best = self.distances[runner_up.id], self.distances[winner.id]
            words.append(f"a distance of {own_distance:.2f} from the chord against {best:.2f}")
        word = "more" if difference > 0 else "less"
        words.append(
            f"{abs(difference):.3f} {word} {metric} on validation" if difference else f"equal {metric} on validation"
        )
        words.append(f"equal {wording.plain(self.axis)}" if compared == "equal" else compared)
        if _tied(winner, runner_up):
            words.append("statistically tied with the winner")
        if self.axis == "latency" and _overlap(winner, runner_up, self.target):
            words.append("the latency intervals of the two overlap")
        return " and ".join((", ".join(words[:-1]), words[-1]))


def rank(candidates: Sequence[Candidate], prefer: str | None, axis: str, target: str) -> Ranking:
    """Order `candidates` (at least one) by `prefer`, which `select` explains."""
    if len(candidates) == 1:
        return Ranking(tuple(candidates), "the only one that meets the bounds", axis, target)
    if prefer == "fastest":
        order = sorted(candidates, key=lambda c: (_cost(c, "latency", target), -c.score.validation, c.id))
        return Ranking(tuple(order), f"the fastest of {_count(order)}", "latency", target)
    accurate = sorted(candidates, key=lambda c: (-c.score.validation, _cost(c, axis, target), c.id))
    if prefer == "most_accurate":
        return Ranking(tuple(accurate), f"the most accurate on validation of {_count(accurate)}", axis, target)
    if prefer == "knee":
        distances = chord_distances(candidates, axis, target)
        if distances is not None:
            order = sorted(accurate, key=lambda c: -distances[c.id])
            reason = (
                f"the knee of {_count(order)}, {distances[order[0].id]:.2f} above the chord between the "
                f"cheapest and the most accurate ({axis} and validation score each normalised to 0..1)"
            )
            return Ranking(tuple(order), reason, axis, target, distances)
    ranking = _accurate_or_tied(accurate, axis, target)
    if prefer == "knee":
        reason = f"a knee needs three candidates that differ, so instead {ranking.reason}"
        return Ranking(ranking.order, reason, axis, target)
    return ranking


def chord_distances(candidates: Sequence[Candidate], axis: str, target: str) -> dict[str, float] | None:
    """How far each candidate lies above the chord between the cheapest and the most accurate one, by id.

    Cost and validation score are normalised to 0..1 over the candidates first, so the units don't matter.
    None with fewer than three candidates, or when all cost or score the same: there is no chord to measure
    from.
    """
    costs = [_cost(c, axis, target) for c in candidates]
    scores = [c.score.validation for c in candidates]
    if len(candidates) < 3 or min(costs) == max(costs) or min(scores) == max(scores):
        return None
    x = [(cost - min(costs)) / (max(costs) - min(costs)) for cost in costs]
    y = [(score - min(scores)) / (max(scores) - min(scores)) for score in scores]
    start = min(range(len(x)), key=lambda i: (x[i], -y[i]))
    end = min(range(len(x)), key=lambda i: (-y[i], x[i]))
    if start == end:
        return None
    dx, dy = x[end] - x[start], y[end] - y[start]
    length = math.hypot(dx, dy)
    return {c.id: (dx * (y[i] - y[start]) - dy * (x[i] - x[start])) / length for i, c in enumerate(candidates)}


def _accurate_or_tied(accurate: Sequence[Candidate], axis: str, target: str) -> Ranking:
    best = accurate[0]
    group = [best, *(c for c in accurate[1:] if _tied(best, c))]
    group.sort(key=lambda c: (_cost(c, axis, target), -c.score.validation, c.id))
    chosen = group[0]
    rest = [c for c in accurate if c is not chosen]
    superlative = wording.WORDS[cost_name(axis)].best
    if chosen is best:
        reason = f"the most accurate on validation of {_count(accurate)}"
        if len(group) > 1:
            reason += f", and the {superlative} of the {len(group)} that are statistically tied with it"
    else:
        reason = (
            f"the {superlative} of the {len(group)} that are statistically tied with {best.id}, "
            f"the most accurate on validation of {_count(accurate)}"
        )
    return Ranking((chosen, *rest), reason, axis, target)


def _tied(one: Candidate, other: Candidate) -> bool:
    return other.id in one.tied or one.id in other.tied


def _overlap(one: Candidate, other: Candidate, target: str) -> bool:
    a, b = one.costs()[target].latency_ms, other.costs()[target].latency_ms
    return a.low <= b.high and b.low <= a.high


def _cost(candidate: Candidate, axis: str, target: str) -> float:
    """The less, the better."""
    return minimised(axis, candidate.costs()[target])


def _count(candidates: Sequence[Candidate]) -> str:
    return f"{len(candidates)} that meet the bounds"
