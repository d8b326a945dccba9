"""What a study minimises: the configuration's objectives as numbers of one plan."""

from collections.abc import Mapping

from greenfront.config import RunConfig
from greenfront.hardware_profiles import Cost
from greenfront.search.journal import Result
from greenfront.search.slack import summed_cost


def objective_names(config: RunConfig) -> list[str]:
    """What the study's values are called."""
    return [
        "divergence from the original (nats)" if name == "accuracy" else f"predicted {summed_cost(name)}"
        for name in config.objectives
    ]


def objective_values(config: RunConfig, result: Result, predicted: Mapping[str, Cost]) -> list[float] | None:
    """The study's objectives: divergence stands for accuracy, as it tells more of a few hundred examples."""
    if result.divergence is None:
        return None
    costs = iter(objective_costs(config, predicted))
    return [result.divergence if name == "accuracy" else next(costs) for name in config.objectives]


def objective_costs(config: RunConfig, predicted: Mapping[str, Cost]) -> list[float]:
    """The objectives beside the score."""
    cost = predicted[config.hardware[0].name]
    return [cost.value(summed_cost(name)) for name in config.objectives if name != "accuracy"]
