"""Whether the metric fits the task, and the budgets the metric; said before anything expensive begins."""

from greenfront.config import RunConfig
from greenfront.errors import ConfigError
from greenfront.evaluators import get_task
from greenfront.evaluators.direction import INVERTED


def check_metric(config: RunConfig) -> None:
    """Raise ConfigError for a metric that isn't one of the task's, or a least value of one of which less is better."""
    metric = config.data.metric
    get_task(config.model.task).check_metric(metric)
    if metric in INVERTED and config.budgets.accuracy is not None:
        raise ConfigError(
            f"budgets.accuracy: {metric} has no least value, as less of it is better; give budgets.accuracy_drop, the "
            f"share of the original's that may be lost (1% lets {metric} rise by 1%)"
        )
