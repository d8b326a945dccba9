"""How far a candidate is from its budgets, in shares of each limit; for measured and predicted costs."""

import math
from collections.abc import Mapping

from pydantic import ValidationError

from greenfront.config import COST_OF, HIGHER_IS_BETTER, BudgetsConfig, CostName
from greenfront.errors import ConfigError, RunError
from greenfront.hardware_profiles.cost import Cost
from greenfront.search.candidate import Candidate
from greenfront.units import Bound

# A budget of exactly half the original must be met by exactly half of it, however floats round.
TOLERANCE = 1e-9


def cost_bounds(budgets: BudgetsConfig) -> dict[str, Bound]:
    """The bounds on costs that are set, by their names in the YAML (`latency`, `size`, ...)."""
    bounds = {name: getattr(budgets, name) for name in COST_OF}
    return {name: bound for name, bound in bounds.items() if bound is not None}


def cost_limit(name: str, bound: Bound, original: Cost) -> float:
    """The bound called `name` in the unit of its cost, given the original's cost on the same target."""
    return bound.limit(original.value(COST_OF[name]))


def summed_cost(name: str) -> CostName:
    """The cost that stands for the one called `name` where changes are summed and less is better.

    A plan's throughput is no sum over its modules, but the time of a large query is, and orders plans the same way.
    """
    return "large_batch_latency_ms" if name == "throughput" else cost_name(name)


def summed_limit(name: str, bound: Bound, original: Cost, target_large_batch: int) -> tuple[CostName, float]:
    """The bound called `name` as an upper bound on its `summed_cost`: so many examples a second are so many ms."""
    limit = cost_limit(name, bound, original)
    return summed_cost(name), 1000 * target_large_batch / limit if name == "throughput" else limit


def minimised(name: str, cost: Cost) -> float:
    """The cost called `name` such that less is better."""
    value = cost.value(cost_name(name))
    return -value if name in HIGHER_IS_BETTER else value


def accuracy_floors(budgets: BudgetsConfig, original_score: float) -> dict[str, float]:
    """The least score each budget on quality allows; `accuracy_drop` is a share of the original's."""
    floors = {}
    if budgets.accuracy_drop is not None:
        floors["accuracy_drop"] = original_score - budgets.accuracy_drop * abs(original_score)
    if budgets.accuracy is not None:
        floors["accuracy"] = budgets.accuracy
    return floors


def reference_costs(original: Candidate) -> Mapping[str, Cost]:
    """What relative bounds refer to: the original's measured costs, or predicted ones where it wasn't measured."""
    return original.costs()


def budget_slack(
    cost: Mapping[str, Cost], validation: float, original: Candidate, budgets: BudgetsConfig
) -> dict[str, float]:
    """The slack per budget: the distance to its limit as a share of the limit, negative when it is missed.

    Costs have to hold on every target of `cost`, so a cost's slack is the least over the targets. The score
    is the one on validation. NaN in, NaN out, and NaN counts as missed.

    Raises:
        RunError: no target at all, or one on which the original has no cost.
    """
    reference = reference_costs(original)
    unknown = sorted(set(cost) - set(reference))
    if unknown or not cost:
        have = ", ".join(reference) or "none"
        raise RunError(f"costs must be of targets the original was measured on ({have}), but got {unknown}")
    slack = {}
    for name, bound in cost_bounds(budgets).items():
        slack[name] = min(
            _share(name, cost_limit(name, bound, reference[target]), of.value(COST_OF[name]))
            for target, of in cost.items()
        )
    for name, floor in accuracy_floors(budgets, original.score.validation).items():
        slack[name] = (validation - floor) / (abs(floor) or 1.0)
    return slack


def missed_budgets(
    cost: Mapping[str, Cost], validation: float, original: Candidate, budgets: BudgetsConfig
) -> tuple[str, ...]:
    """The names of the budgets that are missed, as in `budget_slack`; empty when feasible."""
    return missed(budget_slack(cost, validation, original, budgets))


def missed(slack: Mapping[str, float]) -> tuple[str, ...]:
    """The names whose slack is negative or NaN."""
    return tuple(name for name, share in slack.items() if not share >= -TOLERANCE)


def binding(slack: Mapping[str, float]) -> str | None:
    """The budget with the least slack (NaN first), None when there is none."""
    return min(slack, key=lambda name: _sortable(slack[name]), default=None)


def least(slack: Mapping[str, float]) -> float:
    """The least slack, -inf where one is NaN, +inf where there is no budget."""
    return min(map(_sortable, slack.values()), default=math.inf)


def budgets_to_text(budgets: BudgetsConfig) -> dict[str, str]:
    """The budgets that are set, as their author wrote them."""
    text = {name: bound.text for name, bound in cost_bounds(budgets).items()}
    if budgets.accuracy_drop is not None:
        text["accuracy_drop"] = f"{100 * budgets.accuracy_drop:.12g}%"
    if budgets.accuracy is not None:
        text["accuracy"] = f"{budgets.accuracy:.12g}"
    return text


def budgets_from_text(text: Mapping[str, str]) -> BudgetsConfig:
    """Inverse of `budgets_to_text`; raises ConfigError on an unknown name or a quantity that doesn't fit."""
    raw: dict[str, str | float] = dict(text)
    try:
        if "accuracy" in raw:
            raw["accuracy"] = float(raw["accuracy"])
        return BudgetsConfig.model_validate(raw)
    except (ValidationError, ValueError) as error:
        raise ConfigError(f"budgets must be quantities such as {{'latency': '8 ms'}}, but got {raw}") from error


def cost_name(name: str) -> CostName:
    """The cost, with its unit, that a name of the YAML means; raises ConfigError for an unknown one."""
    if name not in COST_OF:
        raise ConfigError(f"a cost must be one of {', '.join(COST_OF)}, but got {name!r}")
    return COST_OF[name]


def _share(name: str, limit: float, value: float) -> float:
    """The distance to a limit as a share of it; a limit of zero (no CO2 on a clean grid) is met by zero alone."""
    spare = value - limit if name in HIGHER_IS_BETTER else limit - value
    return spare / (abs(limit) or 1.0)


def _sortable(share: float) -> float:
    return -math.inf if math.isnan(share) else share
