"""What the budgets allow, by prediction: limits on summed changes, budgets nothing can meet, the first plans to try."""

from collections.abc import Mapping, Sequence

from greenfront.config import COST_OF, RunConfig
from greenfront.hardware_profiles import HardwareProfile
from greenfront.hardware_profiles.cost import Cost
from greenfront.hardware_profiles.profile import COUNTED
from greenfront.search.allocation import Axis, Limit, Seed, Table, cheapest, seeds
from greenfront.search.slack import cost_bounds, summed_cost, summed_limit
from greenfront.spaces import Space

SEEDS = 10
"""Plans computed in closed form that the study starts with; never more than half of the trials."""
WITHOUT_BUDGET = 0.7
"""Share of a cost without a budget at which they begin: milder plans hardly lose more, or less."""
MARGIN = 0.1
"""Of a budget that first plans leave at most: a profile that is far off somewhere would leave none worth having."""


def budget_limits(
    config: RunConfig, space: Space, profiles: Mapping[str, HardwareProfile], reference: Mapping[str, Cost]
) -> tuple[tuple[str, ...], list[Limit]]:
    """The cost budgets that no plan can meet on some target, by prediction, and the others as limits.

    `reference`: the original's costs on every target, which relative budgets refer to.
    A budget that one target makes unreachable limits on no target: it is searched without.
    """
    unreachable: list[str] = []
    limits: list[Limit] = []
    for name, bound in cost_bounds(config.budgets).items():
        on_targets = []
        for target, profile in profiles.items():
            cost, limit = summed_limit(name, bound, reference[target], profile.target.large_batch)
            limit, change = profile.summed_limit(cost, limit), changes(space, profile, name)
            most = limit - profile.original.value(cost)
            # A thousandth within: a file's header is in no prediction, and a plan at the very limit would miss it.
            on_targets.append((Limit(change, most - 1e-3 * limit), cheapest(space, change) <= most))
        if all(reachable for _, reachable in on_targets):
            limits += [limit for limit, _ in on_targets]
        else:
            unreachable.append(name)
    return tuple(unreachable), limits


def first_plans(
    config: RunConfig,
    space: Space,
    losses: Table,
    profiles: Mapping[str, HardwareProfile],
    reference: Mapping[str, Cost],
    limits: Sequence[Limit],
) -> list[Seed]:
    """Closed-form plans within the limits, along the costs among the objectives, on the first target.

    `reference` as of `budget_limits`.
    """
    axes = cost_axes(config, space, profiles, reference)
    return seeds(space, losses, axes, limits, max(1, min(SEEDS, config.search.trials // 2)))


def cost_axes(
    config: RunConfig, space: Space, profiles: Mapping[str, HardwareProfile], reference: Mapping[str, Cost]
) -> list[Axis]:
    """The costs among the objectives, or latency where there are none, on the first target."""
    target = config.hardware[0].name
    names = [name for name in config.objectives if name in COST_OF] or ["latency"]
    return [_axis(name, config, space, profiles[target], reference[target]) for name in names]


def _axis(name: str, config: RunConfig, space: Space, profile: HardwareProfile, reference: Cost) -> Axis:
    """The cost called `name` as one to spread plans along, up to its budget."""
    before = profile.original.value(summed_cost(name))
    bound = cost_bounds(config.budgets).get(name)
    most = WITHOUT_BUDGET * before
    if bound is not None:
        most = summed_limit(name, bound, reference, profile.target.large_batch)[1]
    if bound is not None and summed_cost(name) not in COUNTED and profile.error is not None:
        # A seed right at the budget would miss it when measured, every other time.
        most *= 1 - min(profile.error.worst, MARGIN)
    most = profile.summed_limit(summed_cost(name), most)
    return Axis(name, changes(space, profile, name), before, most)


def changes(space: Space, profile: HardwareProfile, name: str) -> Table:
    """What each state of a site changes in the cost called `name`, or in the one that stands for it in sums."""
    return {site.path: profile.state_costs(site, summed_cost(name)) for site in space.states}


def without(config: RunConfig, names: Sequence[str]) -> RunConfig:
    """The configuration without these budgets."""
    budgets = config.budgets.model_copy(update=dict.fromkeys(names))
    return config.model_copy(update={"budgets": budgets})
