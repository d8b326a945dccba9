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


_TRUSTED: set[str] = set()
"""The metric scripts that this process may run."""


def trust_metric(name: str) -> None:
    """Let this process run a metric script, as its user said; a built-in metric needs no trust.

    What says so must be the user's own configuration or command. The name of a metric also stands in run folders, and
    these may come from anybody.
    """
    if name not in _MAKERS:
        _TRUSTED.add(name)


def is_script(name: str) -> bool:
    """Whether a metric is no built-in one, so that its code would be run."""
    return name not in _MAKERS


def get_metric(name: str) -> evaluate.Metric:
    """The metric of this name, or of a metric script's local path; more must be better.

    Raises:
        ConfigError: neither a built-in name nor a path, or a script that isn't trusted or doesn't load.
    """
    if name in _MAKERS:
        return _MAKERS[name]()
    if not Path(name).exists():
        raise ConfigError(
            f"data.metric: must be one of {', '.join(_MAKERS)}, or the path of a metric script, "
            f"but got {name!r}{nearest(name, _MAKERS)}"
        )
    if name not in _TRUSTED:
        raise ConfigError(
            f"data.metric: {name!r} is code, which is run only where it is trusted: "
            "`data: {trust_remote_code: true}` in your YAML, `--trust-remote-code` with `greenfront export`"
        )
    try:
        with quiet():
            return evaluate.load(name)
    except Exception as error:  # a script may raise anything
        raise ConfigError(f"data.metric: the script {name!r} can't be loaded ({reason(error)})") from error
