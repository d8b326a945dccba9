"""One point of the front, chosen by what its user asks for, with the reasons in words."""

from dataclasses import dataclass
from typing import Literal, get_args

from rich.markup import escape

from greenfront.config import BudgetsConfig
from greenfront.errors import BudgetError, ConfigError
from greenfront.search import slack as slacks
from greenfront.search import wording
from greenfront.search.candidate import Candidate
from greenfront.search.front import Front
from greenfront.search.preference import Ranking, rank
from greenfront.search.question import Question, tightness
from greenfront.units import Bound

Preference = Literal["knee", "fastest", "most_accurate"]


@dataclass(frozen=True)
class Selection:
    """The chosen candidate, the reasons in plain sentences, and its slack per bound (negative: missed).

    `slack` covers the bounds asked for and, where none was asked, the run's own budget of that name.
    """

    candidate: Candidate
    reasons: list[str]
    slack: dict[str, float]

    def __rich__(self) -> str:
        return "\n".join([f"[bold]{self.candidate.id}[/bold]", *(f"  {escape(reason)}" for reason in self.reasons)])


def select(
    front: Front,
    *,
    accuracy_drop: float | None = None,
    prefer: Preference | None = None,
    target: str | None = None,
    **bounds: Bound | None,
) -> Selection:
    """Choose among the verified feasible members of the front that meet the bounds.

    `bounds` are on costs, by their names in the YAML: `latency`, `size`, `throughput` (a lower one), ...
    Without a preference: the most accurate on validation, or the cheapest of those that are statistically
    tied with it. `knee` takes the largest distance from the chord between the cheapest and the most accurate
    member, on axes normalised to 0..1; `fastest` the least latency; `most_accurate` the best score, ties or
    not. "Cheapest" is by the first cost among the run's objectives. Relative bounds refer to the original;
    with `target`, costs are those of that target alone, else bounds hold on every target and the first one
    decides.

    Candidates are compared by their validation score, never by their test score: a test score that has chosen
    the winner is the best of several, hence optimistic, and no longer says how the model does on new data.
    The test score is only shown. (`tied` marks whom a paired test can't tell apart; it orders nobody by the
    test score.)

    If no member of the front meets the bounds, a verified feasible candidate outside it does as well (it is
    dominated only in the objectives, which the bounds need not be); after that the original, said so.

    Raises:
        BudgetError: nothing meets the bounds; names the closest candidate and the binding bound.
        ConfigError: an unknown preference, target or cost.
    """
    if prefer is not None and prefer not in get_args(Preference):
        raise ConfigError(f"prefer must be one of {', '.join(get_args(Preference))}, but got {prefer!r}")
    if target is not None and target not in front.targets:
        raise ConfigError(f"target must be one of {', '.join(front.targets)}, but got {target!r}")
    for name in bounds:
        slacks.cost_name(name)
    asked = BudgetsConfig().model_copy(update={**bounds, "accuracy_drop": accuracy_drop})
    question = Question(front, _merged(front.budgets, asked), front.targets if target is None else (target,))
    reasons = [_asked(question, asked, prefer)]

    others = tuple(c for c in front.candidates if c.id != front.original.id and c.verified and c.feasible)
    members = tuple(c for c in front.members_on(question.targets[0]) if c.feasible)
    off_front = tuple(c for c in others if c not in members)
    reasons += [question.verdict(candidate) for candidate in members]
    pool = question.meeting(members)
    if not pool:
        pool = question.meeting(off_front)
        if pool:
            reasons.append(
                f"No member of the front meets the bounds; {len(pool)} verified off the front do "
                f"(dominated in {' and '.join(front.objectives)} only)."
            )
    if not pool:
        return _original(question, reasons)

    ranking = rank(pool, prefer, front.axis, question.targets[0])
    chosen = ranking.order[0]
    reasons += _why(question, ranking)
    reasons += _closing(question, chosen)
    return Selection(chosen, reasons, question.slack(chosen))


def _merged(budgets: BudgetsConfig, asked: BudgetsConfig) -> BudgetsConfig:
    """The run's budgets with those asked for in their place."""
    fields = {
        name: getattr(budgets, name) if getattr(asked, name) is None else getattr(asked, name)
        for name in BudgetsConfig.model_fields
    }
    return BudgetsConfig.model_construct(**fields)


def _asked(question: Question, asked: BudgetsConfig, prefer: Preference | None) -> str:
    wanted = {
        None: "the most accurate on validation, of tied ones the cheapest",
        "knee": "the knee",
        "fastest": "the fastest",
        "most_accurate": "the most accurate on validation",
    }[prefer]
    own = slacks.budgets_to_text(asked)
    inherited = [name for name in slacks.budgets_to_text(question.bounds) if name not in own]
    line = f"Asked for {wanted}; bounds asked for: {'; '.join(map(question.limit, own)) or 'none'}"
    if inherited:
        line += f"; the run's budgets: {'; '.join(map(question.limit, inherited))}"
    return line + "."


def _why(question: Question, ranking: Ranking) -> list[str]:
    chosen = ranking.order[0]
    lines = [f"Chosen {chosen.id}: {ranking.reason}."]
    if len(ranking.order) > 1:
        runner_up = ranking.order[1]
        lines.append(f"Runner-up {runner_up.id} lost: {ranking.lost(runner_up, question.front.metric)}.")
    else:
        lines.append("No runner-up: no other one meets the bounds.")
    return lines


def _closing(question: Question, chosen: Candidate) -> list[str]:
    slack = question.slack(chosen)
    lines = []
    if slack:
        spare = ", ".join(f"{wording.plain(name)} {wording.share(share)}" for name, share in slack.items())
        first = wording.plain(min(slack, key=lambda name: slack[name]))
        lines.append(f"Slack of {chosen.id} (share of each limit): {spare}; {first} binds first.")
    score = chosen.score
    if score.test is not None:
        lines.append(f"Test {question.front.metric} {wording.tested(score)}, shown, not used to choose.")
    return lines


def _original(question: Question, reasons: list[str]) -> Selection:
    """The last resort: the original when it meets the bounds, else BudgetError."""
    front = question.front
    if not slacks.missed(question.slack(front.original)):
        reasons.append(f"{question.describe(front.original)}: {tightness(question.slack(front.original))}.")
        reasons.append("Chosen original: no compressed candidate meets the bounds, only the unchanged model does.")
        return Selection(front.original, reasons + _closing(question, front.original), question.slack(front.original))
    raise BudgetError(_closest(question))


def _closest(question: Question) -> str:
    front = question.front
    everyone = [c for c in front.candidates if c.id != front.original.id]
    verified = [c for c in everyone if c.verified]
    slack = {c.id: question.slack(c) for c in (*everyone, front.original)}
    promising = [c for c in everyone if not c.verified and not slacks.missed(slack[c.id])]
    closest = max(
        verified or everyone or [front.original],
        key=lambda c: (slacks.least(slack[c.id]), c.score.validation),
    )
    bound = slacks.binding(slack[closest.id])
    if bound is None or not slacks.missed(slack[closest.id]):
        # The bounds are met, so the candidate was refused for a budget of the run on another target.
        over = ", ".join(map(wording.plain, closest.missed))
        message = f"no feasible candidate; the closest is {closest.id}, which misses {over}"
    else:
        message = (
            f"no candidate meets every bound; the closest is {question.describe(closest)}; "
            f"{tightness(slack[closest.id])}; the binding bound is {question.limit(bound)}"
        )
    if promising:
        ids = ", ".join(c.id for c in promising[:3])
        message += f"; predicted to meet them but not verified: {ids} (search again with more `search.finalists`)"
    return message
