"""Which of a study's parameters tell good trials from bad ones, and which seem to by chance alone.

Optuna's PED-ANOVA (Watanabe et al. 2023, 2304.10255) compares where the better trials' parameters lie with where all
of them do. With tens of parameters and tens of trials most of what it finds is chance: it finds as much when the
trials' divergences are shuffled, which says how much that is.
"""

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState

from greenfront.search.history import History
from greenfront.search.layer_grid import LAYER, NUMBER, stack_names
from greenfront.search.plan_text import short_names
from greenfront.search.study import SAMPLER

ENOUGH = 30
"""Trials: with fewer, what stands out of chance is chance all too often, and little does."""
MOST_TRIALS = 200
"""Trials that are looked at, evenly among all: it takes time for each, for each parameter and for each shuffle."""
SHUFFLES = 20
QUANTILE = 0.5
"""Share of the trials that are the better ones. The evaluator wants five at least; its default, a tenth, would be three
of thirty."""
DEVIATIONS = 2.0
"""How many standard deviations above the mean of the shuffled ones chance ends."""


@dataclass(frozen=True)
class Importance:
    """Of some parameters together."""

    name: str
    share: float
    """Of all parameters' importance."""
    chance: float
    """As a share of the same: what it may come to by chance."""
    parameters: int

    @property
    def told(self) -> bool:
        """Whether it can be told from chance."""
        return self.share > self.chance


def scored(history: History) -> list[FrozenTrial]:
    """The trials that were trained to the end and have a divergence, evenly chosen among too many.

    Of allocations only the sampler's own: a suggested plan has the parameters of one near it, with all multipliers at
    one, which would tell who suggested it and not what matters.
    """
    found = [
        each.trial
        for each in history.tried
        if each.trial.state == TrialState.COMPLETE
        and each.result.divergence is not None
        and np.isfinite(each.result.divergence)
        and (says_all(each.trial) or (each.result.origin == SAMPLER and not each.stored))
    ]
    chosen = np.unique(np.linspace(0, len(found) - 1, min(MOST_TRIALS, len(found))).round().astype(int))
    return [found[place] for place in chosen]


def says_all(trial: FrozenTrial) -> bool:
    """Whether a trial's parameters are its plan, whoever proposed it: those of the direct encoding, `PATH:METHOD`."""
    return all(":" in name for name in trial.distributions)


def importances(trials: Sequence[FrozenTrial]) -> tuple[list[Importance], list[Importance]]:
    """By kind of parameter, most important first, and by layer, in their order; of trials that have a divergence.

    A parameter `PATH:METHOD` of the direct encoding is of the kind `METHOD of` the module's name, whatever its layer.
    Parameters of the allocation encoding are each of a kind of their own, and of no layer.
    """
    divergences = np.array([float(trial.user_attrs["divergence"]) for trial in trials])
    rng, names = np.random.default_rng(0), list(trials[0].distributions)
    study = optuna.create_study()
    study.add_trials([_plain(trial) for trial in trials])
    found = _evaluate(study, names, divergences)
    shuffled = np.array([_evaluate(study, names, rng.permutation(divergences)) for _ in range(SHUFFLES)])
    kinds, layers = _kinds(names), _layers(names)
    by_kind = sorted(_grouped(kinds, names, found, shuffled), key=lambda each: -each.share)
    return by_kind, _grouped(layers, names, found, shuffled)


def _plain(trial: FrozenTrial) -> FrozenTrial:
    """Parameters alone; every trial stands for its place, by which a divergence is found."""
    return optuna.trial.create_trial(params=trial.params, distributions=trial.distributions, value=0.0)


def _evaluate(study: optuna.Study, names: Sequence[str], divergences: NDArray[np.float64]) -> NDArray[np.float64]:
    """(P,) What PED-ANOVA makes of each parameter."""
    evaluator = PedAnovaImportanceEvaluator(target_quantile=QUANTILE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that less is taken to be better, as it is here
        found = evaluator.evaluate(study, target=lambda trial: divergences[trial.number])
    return np.array([found[name] for name in names])


def _grouped(
    groups: Mapping[str, str], names: Sequence[str], found: NDArray[np.float64], shuffled: NDArray[np.float64]
) -> list[Importance]:
    """`found` (P,) and `shuffled` (shuffles, P) summed by group."""
    members = defaultdict[str, list[int]](list)
    for name, group in groups.items():
        members[group].append(names.index(name))
    total = float(found.sum()) or 1.0
    by_chance = {group: shuffled[:, places].sum(axis=1) for group, places in members.items()}
    return [
        Importance(
            group,
            float(found[places].sum()) / total,
            float(by_chance[group].mean() + DEVIATIONS * by_chance[group].std()) / total,
            len(places),
        )
        for group, places in members.items()
    ]


def _kinds(names: Sequence[str]) -> dict[str, str]:
    """The kind of every parameter."""
    sites = {name: NUMBER.sub("", name.rpartition(":")[0]) for name in names if ":" in name}
    short = short_names(tuple(sorted(set(sites.values()))))
    of_sites = {name: f"{name.rpartition(':')[2]} of {short[site]}" for name, site in sites.items()}
    return {name: of_sites.get(name, name) for name in names}


def _layers(names: Sequence[str]) -> dict[str, str]:
    """The layer of every parameter that is of one, stack by stack in their order."""
    found = {name: match for name in names if ":" in name and (match := LAYER.match(name.rpartition(":")[0]))}
    stacks = stack_names(list(dict.fromkeys(match["stack"] for match in found.values())))
    places = {name: (list(stacks).index(match["stack"]), int(match["layer"])) for name, match in found.items()}
    return {name: f"{stacks[found[name]['stack']]} {places[name][1]}" for name in sorted(found, key=places.__getitem__)}
