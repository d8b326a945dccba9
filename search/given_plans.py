"""Plans that the user wants tried first: a file's, an exported folder's, or those on another run's front."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from greenfront.config import RunConfig
from greenfront.errors import ConfigError, PlanError
from greenfront.json_source import read_json
from greenfront.search.allocation import Seed
from greenfront.search.progress import Reporter
from greenfront.spaces import Choice, Plan, Settings, Space

WHERE = "search.first_plans"
MOST_NAMED = 3
"""Modules or settings that a message lists."""


def given_plans(config: RunConfig, model: PreTrainedModel) -> list[Seed]:
    """Every plan of the files that `search.first_plans` names, each once, called by its file.

    A file holds a plan as `front.json` does, or is a `front.json` itself, whose members on the front are meant. A
    folder is an exported model, or a run.

    Raises:
        ConfigError: a file that can't be read or holds no plan, or a plan of another model.
    """
    names = {name for name, _ in model.named_modules()}
    found: dict[Plan, Seed] = {}
    for path in config.search.first_plans:
        for plan in _read(path):
            strange = [module for module in plan if module not in names]
            if strange:
                raise ConfigError(
                    f"{WHERE}: {path}: must be a plan of this model, a {type(model).__name__}, "
                    f"which has no module {_listed(strange)}"
                )
            found.setdefault(plan, Seed(plan, f"given by {path.name}"))
    return list(found.values())


def given_seeds(given: Sequence[Seed], space: Space, report: Reporter) -> list[Seed]:
    """The given plans as plans of this space. What isn't offered, as it is no cheaper here or not searched, becomes the
    nearest setting that is, and the report is told."""
    found: dict[Plan, Seed] = {}
    for seed in given:
        plan = space.plan([_nearest(choice, seed.plan.get(choice.site.path, {})) for choice in space.choices])
        changed = [path for path in seed.plan if dict(seed.plan[path]) != dict(plan.get(path, {}))]
        if changed:
            report.note(
                f"{WHERE}: {seed.plan.id} ({seed.origin}) is tried as {plan.id}: "
                f"not offered here as they are: the settings of {_listed(changed)}"
            )
        if plan:
            found.setdefault(plan, Seed(plan, seed.origin))
    return list(found.values())


def _read(path: Path) -> Iterable[Plan]:
    files = (
        [path]
        if path.is_file()
        else [each for name in ("front.json", "config.json") if (each := path / name).is_file()]
    )
    if not files:
        raise ConfigError(f"{WHERE}: {path}: must be a plan's JSON, a front.json, a run or an exported model")
    try:
        raw = read_json(files[0])
        return [_plan(each) for each in _plans(raw)]
    except (OSError, ValueError, PlanError) as error:
        raise ConfigError(f"{WHERE}: {files[0]}: holds no plan: {error}") from error


def _plans(raw: Any) -> Sequence[Any]:
    if not isinstance(raw, dict):
        raise PlanError("it must be a mapping of modules to settings")
    if "candidates" in raw:  # a front.json
        members = raw["candidates"] if isinstance(raw["candidates"], list) else []
        plans = [each.get("plan") for each in members if isinstance(each, dict) and each.get("on_front")]
        if not plans:
            raise PlanError("no candidate of it is on its front")
        return plans
    if "model_type" in raw:  # the config.json of a model
        carried = raw.get("quantization_config")
        if not isinstance(carried, dict) or not carried.get("plan"):
            raise PlanError("the model is not compressed by Greenfront")
        return [carried["plan"]]
    return [raw]


def _plan(raw: Any) -> Plan:
    if not isinstance(raw, dict) or not all(isinstance(settings, Mapping) for settings in raw.values()):
        raise PlanError("it must be a mapping of modules to settings")
    plan = Plan(raw)
    if not plan:
        raise PlanError("it is empty, which is the original")
    return plan


def _nearest(choice: Choice, settings: Settings) -> int:
    """The index of the option that does the same, or of the nearest in ratio with the same words; else the original."""
    keys = {key for option in choice.settings for key in option}
    wanted = {key: value for key, value in settings.items() if key in keys}
    distances = [_distance(wanted, option) for option in choice.settings]
    best = min(range(len(distances)), key=distances.__getitem__, default=len(choice.settings))
    return best if wanted and math.isfinite(distances[best]) else len(choice.settings)


def _distance(wanted: Settings, option: Settings) -> float:
    if wanted.keys() != option.keys():
        return math.inf
    total = 0.0
    for key, value in wanted.items():
        other = option[key]
        if value == other:
            continue
        if isinstance(value, str) or isinstance(other, str) or value <= 0 or other <= 0:
            return math.inf
        total += abs(math.log(value / other))
    return total


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
