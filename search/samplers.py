"""Optuna's samplers, by name: which there are, and whether one can do what is asked of it."""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.study import StudyDirection

from greenfront.errors import ConfigError

SHORT = {
    "tpe": "TPESampler",
    "nsgaii": "NSGAIISampler",
    "nsgaiii": "NSGAIIISampler",
    "random": "RandomSampler",
    "gp": "GPSampler",
    "qmc": "QMCSampler",
    "brute_force": "BruteForceSampler",
}
PICKLING = ("cmaes", "CmaEsSampler")
"""Refused: what they read back from a study's attributes they unpickle."""
ALLOCATION = "allocation"
"""The name of `AllocationSampler`, and of the encoding that it proposes parameters of."""


def make_sampler(name: str, options: Mapping[str, Any], seed: int, objectives: int = 2) -> optuna.samplers.BaseSampler:
    """Any of Optuna's samplers, by its class name or a short one.

    Raises:
        ConfigError: no such sampler, one that unpickles what a study holds, options it doesn't take, or one that can't
            work on so many objectives.
    """
    if name in PICKLING:
        raise ConfigError(
            f"search.sampler: {name} keeps its state as a pickle in the study, through which a run folder could run "
            f"code; take {', '.join((*SHORT, ALLOCATION))} or another class of optuna.samplers"
        )
    sampler_class = getattr(optuna.samplers, SHORT.get(name, name), None)
    if not inspect.isclass(sampler_class) or not issubclass(sampler_class, optuna.samplers.BaseSampler):
        raise ConfigError(
            f"search.sampler: must be one of {', '.join((*SHORT, ALLOCATION))} or a class of optuna.samplers, "
            f"but got {name!r}"
        )
    accepted = inspect.signature(sampler_class).parameters
    defaults: dict[str, Any] = {"seed": seed} if "seed" in accepted else {}
    if sampler_class is optuna.samplers.TPESampler:
        # Joint sampling: a third of the time for forty parameters, and ranks do depend on each other.
        defaults["multivariate"] = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            sampler, rehearsed = (sampler_class(**{**defaults, **options}) for _ in range(2))
        except (TypeError, ValueError) as error:
            valid = ", ".join(accepted)
            raise ConfigError(f"search.sampler_options: {name} takes {valid}; {error}") from error
        try:
            _rehearse(rehearsed, objectives)
        except (ImportError, ValueError) as error:
            raise ConfigError(f"search.sampler: {name} can't be used with {objectives} objectives: {error}") from error
    made: optuna.samplers.BaseSampler = sampler
    return made


def _rehearse(sampler: optuna.samplers.BaseSampler, objectives: int) -> None:
    """Ask once: some samplers say only then that they can't."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=[StudyDirection.MINIMIZE] * objectives, sampler=sampler)
    distributions: dict[str, BaseDistribution] = {name: IntDistribution(0, 3) for name in "ab"}
    for value in range(2):
        study.tell(study.ask(distributions), [float(value)] * objectives)
