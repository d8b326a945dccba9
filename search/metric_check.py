"""Whether the metric may be run, fits the task, and the budgets the metric; said before anything expensive begins."""

from greenfront.config import RunConfig
from greenfront.errors import ConfigError
from greenfront.evaluators import get_task
from greenfront.evaluators.direction import INVERTED
from greenfront.evaluators.named_metrics import is_script, trust_metric


def check_metric(config: RunConfig) -> None:
    """Trust the metric where the configuration says so.

    Raises:
        ConfigError: a metric script that isn't trusted, a metric that isn't one of the task's, or a least value of one
            of which less is better.
    """
    metric = config.data.metric
    if config.data.trust_remote_code:
        trust_metric(metric)
    get_task(config.model.task).check_metric(metric)
    if metric in INVERTED and config.budgets.accuracy is not None:
        raise ConfigError(
            f"budgets.accuracy: {metric} has no least value, as less of it is better; give budgets.accuracy_drop, the "
            f"share of the original's that may be lost (1% lets {metric} rise by 1%)"
        )


def trusted_code(config: RunConfig) -> str | None:
    """What to say of the code that is run because the configuration trusts it; None where there is none."""
    metric = config.data.metric
    if not (config.data.trust_remote_code and is_script(metric)):
        return None
    return f"runs the code of {metric}, here and on every worker: the configuration says data.trust_remote_code"
