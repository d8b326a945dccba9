"""Metrics by their names in the YAML."""

from collections.abc import Callable
from pathlib import Path

import evaluate

from greenfront.errors import ConfigError
from greenfront.evaluators.answer_metrics import AnswerF1, ExactMatch
from greenfront.evaluators.entity_metric import EntityF1
from greenfront.evaluators.metrics import COUNT_METRICS
from greenfront.evaluators.names import nearest, reason
from greenfront.evaluators.perplexity import Perplexity
from greenfront.evaluators.quiet import quiet
from greenfront.evaluators.sum_metric import SumMetric

METRICS: tuple[str, ...] = tuple(kind.metric_name for kind in COUNT_METRICS)
"""The names of the built-in metrics of labels."""
_KINDS: tuple[type[SumMetric], ...] = (*COUNT_METRICS, EntityF1, ExactMatch, AnswerF1, Perplexity)
_MAKERS: dict[str, Callable[[], SumMetric]] = {kind.metric_name: kind for kind in _KINDS}


def get_metric(name: str) -> evaluate.Metric:
    """The metric of this name, or of a metric script's local path; more must be better.

    Raises:
        ConfigError: neither a built-in name nor a path, or a script that doesn't load.
    """
    if name in _MAKERS:
        return _MAKERS[name]()
    if not Path(name).exists():
        raise ConfigError(
            f"data.metric: must be one of {', '.join(_MAKERS)}, or the path of a metric script, "
            f"but got {name!r}{nearest(name, _MAKERS)}"
        )
    try:
        with quiet():
            return evaluate.load(name)
    except Exception as error:  # a script may raise anything
        raise ConfigError(f"data.metric: the script {name!r} can't be loaded ({reason(error)})") from error
