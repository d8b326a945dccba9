"""Who competes: each proposes a plan within the limits and is told what it came to.

Samplers work on an in-memory Optuna study, as the product's study does; a proposal over a limit is told as pruned with
its constraints, and after ten in a row a random allocation within the limits is taken, as the product's driver does.
"""

import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import optuna
from global_rank import global_rank_plans
from optuna.trial import TrialState
from problem import OBJECTIVE, Evaluation, Problem

from greenfront.search.allocation import Axis, Seed, perturbed, seeds
from greenfront.search.allocation_sampler import AllocationSampler
from greenfront.search.encodings import PLAN, AllocationEncoding, DirectEncoding, Encoding
from greenfront.search.limits import SEEDS, WITHOUT_BUDGET
from greenfront.search.proposals import REJECTIONS
from greenfront.search.samplers import make_sampler
from greenfront.spaces import Plan, Space

ATTEMPTS = 3 * REJECTIONS


class Contestant(ABC):
    """Proposes plans of one problem, none twice."""

    prepared = True
    """Whether it needs predicted losses: finding them out is charged to it then."""
    solving_seconds = 0.0
    """What making it took beyond that, charged, too."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.known: set[Plan] = set()

    @abstractmethod
    def ask(self) -> Plan | None:
        """A new plan within the limits, or None when it has no more."""

    def evaluate(self, plan: Plan) -> Evaluation:
        """What the plan really comes to, built as this contestant would build it."""
        return self.problem.truth.evaluate(plan)

    def tell(self, plan: Plan, divergence: float, costs: Mapping[str, float]) -> None:  # noqa: B027 - some don't learn
        """What the plan asked for came to."""


class Sampled(Contestant):
    """An Optuna sampler on parameters that mean plans, after suggested plans."""

    def __init__(
        self,
        problem: Problem,
        sampler: optuna.samplers.BaseSampler,
        seed: int,
        encoding: Encoding | None = None,
        suggested: Sequence[Seed] = (),
    ) -> None:
        super().__init__(problem)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.prepared = bool(suggested) or encoding is not None
        self._encoding = encoding or DirectEncoding(problem.space)
        self._study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
        self._rng = np.random.default_rng(seed)
        self._asked: dict[Plan, optuna.Trial] = {}
        for one in suggested:
            self._suggest(one.plan)

    def _suggest(self, plan: Plan) -> None:
        """As the product's study does: a plan that no parameters mean goes along with those nearest to it."""
        parameters = self._encoding.parameters(plan)
        said = {} if self._encoding.plan(parameters) == plan else {PLAN: plan.to_json()}
        self._study.enqueue_trial(parameters, user_attrs=said)

    def ask(self) -> Plan | None:
        """The sampler's next plan that is new and within the limits."""
        problem = self.problem
        for attempt in range(ATTEMPTS):
            if attempt >= REJECTIONS:
                instead = perturbed(problem.space, problem.losses, problem.summed_limits, self._rng)
                if instead is not None:
                    self._suggest(instead)
            trial = self._study.ask(self._encoding.distributions)
            said = trial.user_attrs.get(PLAN)
            plan = self._encoding.plan(trial.params) if said is None else Plan.from_json(said)
            if plan and plan not in self.known and problem.feasible(plan):
                self.known.add(plan)
                self._asked[plan] = trial
                return plan
            trial.set_user_attr(PLAN, plan.to_json())
            self._constrain(trial, problem.costs(plan))
            self._study.tell(trial, state=TrialState.PRUNED)
        return None

    def tell(self, plan: Plan, divergence: float, costs: Mapping[str, float]) -> None:
        """Give the study both objectives."""
        trial = self._asked.pop(plan)
        trial.set_user_attr(PLAN, plan.to_json())
        self._constrain(trial, costs)
        self._study.tell(trial, [divergence, costs[OBJECTIVE]])

    def _constrain(self, trial: optuna.Trial, costs: Mapping[str, float]) -> None:
        for name, share in self.problem.excess(costs).items():
            trial.set_constraint(name, share)


class Listed(Contestant):
    """Plans that are known beforehand, one after the other."""

    def __init__(self, problem: Problem, plans: Iterator[Plan], prepared: bool) -> None:
        super().__init__(problem)
        self._plans = plans
        self.prepared = prepared

    def ask(self) -> Plan | None:
        """The next one that is within the limits and new."""
        for plan in self._plans:
            if plan and plan not in self.known and self.problem.feasible(plan):
                self.known.add(plan)
                return plan
        return None


class GlobalRank(Listed):
    """greenformer's rule, from a rank in the middle outwards; by plain SVD where that was recorded."""

    def __init__(self, problem: Problem) -> None:
        plans = list(problem.plain) or global_rank_plans(problem.space)
        order = sorted(range(len(plans)), key=_reversed_bits)
        super().__init__(problem, iter([plans[place] for place in order]), prepared=False)

    def evaluate(self, plan: Plan) -> Evaluation:
        """As recorded; where plain SVD wasn't, as any other plan."""
        return self.problem.plain.get(plan) or super().evaluate(plan)


def _reversed_bits(number: int) -> float:
    """In [0, 1): the numbers from 0 on fill it evenly, however many there are (van der Corput)."""
    return int(f"{number:010b}"[::-1], 2) / 1024


def uniform_plans(problem: Problem, rng: np.random.Generator) -> Iterator[Plan]:
    """All ranks at one relative position, what a single global rank gives; other methods where there are no ranks.

    From a random position on they fill [0, 1] evenly.
    """
    choices = problem.space.choices
    ranks = {choice.name for choice in choices if "rank" in choice.settings[0]} or {choice.name for choice in choices}
    start = rng.random()
    for number in range(1, 1025):
        position = (start + _reversed_bits(number)) % 1.0
        yield problem.space.plan(
            [round((position if c.name in ranks else 1.0) * (len(c.options) - 1)) for c in choices]
        )


_solved: dict[tuple[int, str, int], tuple[Space, list[Seed], float]] = {}


def closed_form(problem: Problem, trials: int) -> tuple[list[Seed], float]:
    """The allocations that the product's search begins with, and the seconds that they took.

    What is hidden from a search doesn't change them, so that all worlds of one space share them.
    """
    key = id(problem.space), problem.name, trials
    if key not in _solved:
        started = time.perf_counter()
        count = max(1, min(SEEDS, trials // 2))
        found = seeds(problem.space, problem.losses, [_axis(problem)], problem.summed_limits, count)
        _solved[key] = problem.space, found, time.perf_counter() - started  # the space stays, and with it its id
    return _solved[key][1:]


def _axis(problem: Problem) -> Axis:
    before = problem.original[OBJECTIVE]
    return Axis("latency", problem.changes[OBJECTIVE], before, problem.limits.get(OBJECTIVE, WITHOUT_BUDGET * before))


def _sampled(name: str, **options: object) -> Callable[[Problem, int, int], Contestant]:
    def make(problem: Problem, seed: int, trials: int) -> Contestant:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return Sampled(problem, make_sampler(name, options, seed), seed)

    return make


def _solving(learning: bool, allocated: bool, seeded: bool) -> Callable[[Problem, int, int], Contestant]:
    """The product's: `learning` with its own sampler, else TPE; on allocations or directly; first plans or none."""

    def make(problem: Problem, seed: int, trials: int) -> Contestant:
        suggested, seconds = closed_form(problem, trials) if seeded else ([], 0.0)
        started, encoding = time.perf_counter(), None
        if allocated:
            encoding = AllocationEncoding(problem.space, problem.losses, problem.summed_limits, [_axis(problem)])
        sampler: optuna.samplers.BaseSampler = make_sampler("tpe", {}, seed)
        if learning:
            assert encoding is not None
            sampler = AllocationSampler(encoding, seed=seed)
        made = Sampled(problem, sampler, seed, encoding, suggested)
        made.solving_seconds = seconds + time.perf_counter() - started
        return made

    return make


def _uniform(problem: Problem, seed: int, trials: int) -> Contestant:
    return Listed(problem, uniform_plans(problem, np.random.default_rng(seed)), prepared=False)


CONTESTANTS: dict[str, Callable[[Problem, int, int], Contestant]] = {
    "allocation": _solving(learning=True, allocated=True, seeded=True),
    "allocation, no seeds": _solving(learning=True, allocated=True, seeded=False),
    "tpe on allocations": _solving(learning=False, allocated=True, seeded=True),
    "seeds + tpe": _solving(learning=False, allocated=False, seeded=True),
    "tpe": _sampled("tpe"),
    "nsgaii": _sampled("nsgaii"),
    "gp": _sampled("gp"),
    "random": _sampled("random"),
    "uniform": _uniform,
    "greenformer": lambda problem, seed, trials: GlobalRank(problem),
}
"""(problem, seed, trials) -> contestant, by name. The first four are the product's; the next four any Optuna sampler on
the direct encoding; the last two know nothing of layers."""
