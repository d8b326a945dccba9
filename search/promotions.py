"""The driver's part of the fidelity ladder: what a worker does next, and what is expected of trials that are paused."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from greenfront.config import RunConfig
from greenfront.search.journal import Result, RungScore
from greenfront.search.ladder import Ladder
from greenfront.search.paused import PausedStates
from greenfront.search.progress import Reporter
from greenfront.search.rung import Standing
from greenfront.search.slack import TOLERANCE, accuracy_floors
from greenfront.search.study import Proposal
from greenfront.search.training_state import Part
from greenfront.search.training_words import paused_words
from greenfront.search.trend import GrowingTrend, Score
from greenfront.search.worker import Outcome
from greenfront.spaces import Plan

NOTICEABLE = 1.1
"""Expectations are formed anew when they change by this factor, and then told to the sampler again."""
LOOKS = 64
"""Who won't go on any more is found out again when this part of all trials is new."""


@dataclass(frozen=True)
class Climb:
    """What a worker is given: a plan on its way to a rung. Without rungs its whole training, which has no part."""

    proposal: Proposal
    rung: int
    part: Part | None = None
    behind: tuple[RungScore, ...] = ()
    taken: int = 0
    """Steps of its training before; none on any rung where it needs none."""


class Promotions:
    """Knows which trials are paused on which rung; a ladder of one rung, the whole training, is none."""

    def __init__(
        self,
        config: RunConfig,
        results: Sequence[Result],
        original_score: float,
        costs: Callable[[Plan], Sequence[float]],
        paused: PausedStates,
    ) -> None:
        """`results` are the study's own, as they are at any time; `costs` are the objectives beside the score."""
        self.rungs = config.search.rungs or (config.fine_tune.steps,)
        self._trials, self._results, self._costs, self._paused = config.search.trials, results, costs, paused
        self._floor = max(accuracy_floors(config.budgets, original_score).values(), default=-math.inf) - TOLERANCE
        self._ladder = Ladder(len(self.rungs), config.search.reduction, config.search.finalists)
        self._scoring_steps = math.ceil(config.data.validation_examples / (3 * config.fine_tune.batch_size))
        self._hopeless, self._new = set[int](), 0
        self._known = dict[int, Result]()  # the latest of each trial
        self._points = dict[int, tuple[float, ...]]()  # the objectives beside the score
        self._reached, self._ended = Counter[int](), 0
        self._growing = GrowingTrend(len(self.rungs), original_score)
        for result in results:
            self._count(result)
        self._trend = self._growing.trend()
        if len(self.rungs) > 1:
            for result in results:
                if result.state in ("scored", "paused"):
                    self._stand(result)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to promote, once all plans were started."""
        return self._ladder.next(settled=len(self.rungs)) is None

    def first(self, proposal: Proposal) -> Climb:
        """The way to the lowest rung."""
        return Climb(proposal, 0, Part(0, self.rungs[0]) if len(self.rungs) > 1 else None)

    def next(self, running: Collection[Climb], *, last: bool) -> Climb | None:
        """A paused trial on its way to its next rung, if one has earned it; `last`: no new plan will be started."""
        settled = min((climb.rung for climb in running), default=len(self.rungs)) if last else 0
        found = self._ladder.next(settled=settled)
        if found is None:
            return None
        rung, number = found
        self._ladder.promote(rung, number)
        result = self._known[number]
        proposal = Proposal(number, result.plan, result.origin)
        part = Part(0, self.rungs[rung + 1])
        return Climb(proposal, rung + 1, part, result.rungs, steps_taken(result, self.rungs[-1]))

    def resumed(self, climb: Climb, report: Reporter) -> Climb:
        """The same with the state that the trial goes on from; a rung without a step has none, the plan says it all."""
        if not climb.behind or not climb.behind[-1].steps:
            return climb
        plan, done = climb.proposal.plan, climb.behind[-1].steps
        part = self._paused.part(plan.id, self.rungs[climb.rung])
        if part.start < done:
            report.note(f"{plan.id}: its weights after {done} steps are gone; it is trained again from the start")
        return replace(climb, part=part, taken=part.start if climb.taken else 0)

    def result(self, climb: Climb, outcome: Outcome, lost: tuple[str, ...] = ()) -> Result:
        """What came of a climb: the trial is failed, paused on its rung, or finished and so scored; `lost` is why it
        was tried more than once."""
        proposal, seconds = climb.proposal, outcome.seconds + sum(rung.seconds for rung in climb.behind)
        result = Result(
            proposal.number, proposal.plan, proposal.origin, "failed", seconds=seconds, reason=outcome.reason,
            rungs=climb.behind, steps=climb.taken, failure=outcome.failure, lost=lost,
        )  # fmt: skip
        if outcome.validation is None or outcome.divergence is None:
            return result
        steps = None if outcome.steps is None else climb.taken + outcome.steps
        result = replace(
            result, validation=outcome.validation, divergence=outcome.divergence, steps=steps, reason=outcome.note,
            failure="",
        )  # fmt: skip
        if climb.rung == len(self.rungs) - 1:
            return replace(result, state="scored", untrained=outcome.untrained)
        here = RungScore(self.rungs[climb.rung], outcome.validation, outcome.divergence, outcome.seconds)
        return replace(result, state="paused", rungs=(*climb.behind, here))

    def expected(self, result: Result) -> Result:
        """A paused result as it would be, going by the others, after the whole training; any other one as it is."""
        if result.state != "paused" or result.validation is None or result.divergence is None:
            return result
        validation, divergence = self._trend.expected(
            len(result.rungs) - 1, (result.validation, result.divergence)
        )  # fmt: skip
        return replace(result, validation=validation, divergence=divergence)

    def record(self, result: Result) -> list[Result]:
        """Take a result of the study in; gives the paused ones of which something else is expected now."""
        self._count(result)
        if result.state == "failed":
            self._ladder.drop(result.number)
        elif len(self.rungs) > 1:
            self._stand(result)
        if len(_scores(result)) < 2:
            return []
        trend = self._growing.trend()
        if not trend.differs(self._trend, NOTICEABLE):
            return []
        self._trend = trend
        for other in self._results:
            if other.state in ("scored", "paused"):
                self._stand(other)  # who can meet the budgets is judged otherwise now
        return [other for other in self._results if other.state == "paused"]

    def where(self, result: Result) -> str:
        """For a note: after how many steps a paused result is."""
        return f" {paused_words(result, f' of {self.rungs[-1]}')}" if result.state == "paused" else ""

    def given_up(self) -> list[str]:
        """The ids of trials of which it has turned out by now that they won't go on: their states aren't needed. To be
        asked after every result."""
        self._new += 1
        if len(self.rungs) == 1 or self._new <= len(self._results) // LOOKS:
            return []
        self._new, trials = 0, self._trials - self._ended
        found = [self._ladder.hopeless(rung, trials) for rung, steps in enumerate(self.rungs[:-1]) if steps > 0]
        new = set[int]().union(*found) - self._hopeless
        self._hopeless |= new
        return sorted(self._known[number].plan.id for number in new)

    def progress(self) -> tuple[int, int]:
        """On rungs: steps done and expected in all, where scoring counts as the steps that take as long."""
        lengths = [b - a + self._scoring_steps for a, b in zip((0, *self.rungs), self.rungs, strict=False)]
        counts = [sum(n for level, n in self._reached.items() if level > rung) for rung in range(len(lengths))]
        expected = map(max, self._ladder.expected(self._trials - self._ended), counts)
        return _dot(counts, lengths), _dot(expected, lengths)

    def _count(self, result: Result) -> None:
        """Take in how far a trial has come, in the place of how far it had come before."""
        before = self._known.get(result.number)
        for each, sign in ((before, -1), (result, 1)):
            if each is not None:
                self._reached[_reached(each)] += sign
                self._ended += sign * (each.state in ("scored", "failed") and not each.rungs)  # never on the ladder
        self._known[result.number] = result
        self._growing.add(result.number, _scores(result))

    def _stand(self, result: Result) -> None:
        if not result.rungs:
            return  # adopted: it would have a place that somebody who is on the ladder should get
        if result.number not in self._points:
            self._points[result.number] = tuple(self._costs(result.plan))
        costs = self._points[result.number]
        for rung, (validation, divergence) in enumerate(_scores(result)):
            hoped, _ = self._trend.expected(rung, (validation, divergence))
            self._ladder.record(
                rung, result.number, Standing((divergence, *costs), hoped is None or hoped >= self._floor)
            )
            if rung:
                self._ladder.promote(rung - 1, result.number)


def stopped(results: Sequence[Result]) -> dict[int, int]:
    """How many trials were stopped on the rung of how many steps."""
    return dict(sorted(Counter(r.rungs[-1].steps for r in results if r.state == "paused").items()))


def steps_trained(results: Sequence[Result], steps: int) -> int:
    """Steps that all trials together took, where a whole training has `steps`; of failed ones only those up to a
    rung."""
    return sum(steps_taken(result, steps) for result in results)


def steps_taken(result: Result, steps: int) -> int:
    """Those of one trial; of one of an earlier version of the program as many as it was to take."""
    if result.steps is not None:
        return result.steps
    if result.state == "scored":
        return steps
    return result.rungs[-1].steps if result.rungs else 0


def _reached(result: Result) -> int:
    """How many rungs a trial has been on, or failed on its way to; none where it never was on the ladder."""
    return len(result.rungs) + (result.state in ("scored", "failed")) if result.rungs else 0


def _scores(result: Result) -> list[Score]:
    """A trial's scores from the lowest rung on."""
    scores = [(rung.validation, rung.divergence) for rung in result.rungs]
    if result.state == "scored" and result.validation is not None and result.divergence is not None:
        scores.append((result.validation, result.divergence))
    return scores


def _dot(counts: Iterable[int], lengths: Sequence[int]) -> int:
    return sum(count * length for count, length in zip(counts, lengths, strict=True))
