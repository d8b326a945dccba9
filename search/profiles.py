"""A profile for every target: measured on its machine, or read from a file and checked against it."""

from collections import Counter
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from transformers import PreTrainedModel

from greenfront.config import COST_OF, RunConfig, TargetConfig
from greenfront.errors import ConfigError
from greenfront.hardware_profiles import HardwareProfile, Target, check_target, resolve_target
from greenfront.hardware_profiles.cost import derived
from greenfront.hardware_profiles.workload import check_length
from greenfront.search.approximations import faster, left_out
from greenfront.search.begun_with import check_profile
from greenfront.search.measurer import measurer_of
from greenfront.search.progress import Reporter
from greenfront.search.run_folder import RunFolder
from greenfront.search.slack import cost_bounds, summed_cost
from greenfront.spaces import Choice, Settings, Space

FOLLOWS = ("throughput_per_s", "co2_g_per_million", "money_per_million")
"""Costs that follow from others, by the target."""


def resolve_targets(config: RunConfig, *, elsewhere: bool = False) -> RunConfig:
    """The configuration with every target's runtime, and with the workload of given profiles wherever it is silent.

    So `hardware: {profile: FILE}` alone means what the profile was measured for. With `elsewhere`, a target whose
    profile was measured on another machine is only predicted, as if it said so itself.

    Raises:
        ConfigError: a file that is no profile, or a runtime that is not installed.
    """
    resolved = []
    for target in config.hardware:
        if target.profile is not None:
            profile = HardwareProfile.load(target.profile)
            measured = asdict(profile.target)
            unsaid = (set(measured) & set(TargetConfig.model_fields)) - target.model_fields_set - {"name", "seconds"}
            target = target.model_copy(update={name: measured[name] for name in unsaid})
            if elsewhere and not target.elsewhere and _differs(target, profile, config):
                target = target.model_copy(update={"elsewhere": True, "resource": None})
        resolved.append(target.model_copy(update={"runtime": full_target(target, config).runtime}))
    return config.model_copy(update={"hardware": tuple(resolved)})


def full_target(target: TargetConfig, config: RunConfig) -> Target:
    """The Target of a configured one; raises ConfigError for a runtime that is not installed."""
    return resolve_target(target, config.data.max_length, images=config.model.task == "image-classification")


def check_targets(config: RunConfig, model: PreTrainedModel) -> None:
    """Raise ConfigError for a target whose inputs the model can't take, or that this machine can't be."""
    for target in config.hardware:
        full = full_target(target, config)
        if target.elsewhere or target.resource is not None:
            check_length(model, full)
        else:
            check_target(full, model)


def prepare_profiles(config: RunConfig, run: RunFolder, space: Space, report: Reporter) -> dict[str, HardwareProfile]:
    """A profile per target, in the order of the configuration.

    Raises:
        ConfigError: a profile of another machine, workload or model.
        MeasureError, RunError: a target that can't be measured.
    """
    profiles = {}
    for target in config.hardware:
        path = run.profile(target.name)
        source = path if path.exists() else target.profile
        if path.exists():
            check_profile(path, target, partial(read_profile, target=target, config=config, space=space))
        if source is None:
            profile = measure_target(target, config, run.base, space, report)
        else:
            profile = read_profile(source, target, config, space)
        if not path.exists():
            profile.save(path)
            report.note(describe(profile))
            if target.elsewhere:
                report.note(f"{target.name}: predicted, measured elsewhere ({profile.fingerprint.processor})")
        for warning in (*refusals(profile), *profile.warnings):
            report.note(f"{target.name}: {warning}")
        profiles[target.name] = profile
    for line in left_out(space, profiles):
        report.note(line)
    return profiles


def read_profile(path: Path, target: TargetConfig, config: RunConfig, space: Space) -> HardwareProfile:
    """A saved profile with the target's own name, power, grid and price.

    Raises:
        ConfigError: no profile, or one of another workload, machine or model.
    """
    profile, full = HardwareProfile.load(path), full_target(target, config)
    profile = replace(profile, target=replace(profile.target, name=full.name))
    profile.check_target(full)
    if not target.elsewhere:
        with measurer_of(target, config.ray) as measurer:
            profile.check(measurer.fingerprint(full))
    profile.check_space(space)
    plain = {name: value for name, value in vars(profile.original).items() if name not in FOLLOWS}
    if full.power is not None and profile.original.energy_source == "estimated":
        plain["energy_j"] = full.power * profile.original.latency_ms.median / 1000
    return replace(profile, target=full, original=derived(full, **plain))


def measure_target(
    target: TargetConfig, config: RunConfig, model: Path, space: Space, report: Reporter
) -> HardwareProfile:
    """Measure a target's profile, on this machine or on the node that carries its resource."""
    with measurer_of(target, config.ray) as measurer:
        report.stage(f"Measuring {measurer.where} for target {target.name}")
        return measurer.profile(
            full_target(target, config), model, space, seed=config.search.seed, progress=report.advance
        )


def describe(profile: HardwareProfile) -> str:
    """One line: the original's latency, what was measured, how good predictions are."""
    latency = profile.original.latency_ms
    error = "" if profile.error is None else f"; predictions off by {profile.error.median:.1%} on held-out candidates"
    return (
        f"{profile.target.name}: original {latency.median:.2f} ms [{latency.low:.2f}, {latency.high:.2f}], "
        f"{len(profile.operations)} operations measured{error}"
    )


def refusals(profile: HardwareProfile) -> list[str]:
    """What the runtime can't run and the search therefore leaves out, one line a reason."""
    counts = Counter(refused.reason for refused in profile.refused)
    first = {refused.reason: refused for refused in reversed(profile.refused)}
    return [
        f"{count} settings are left out, such as {dict(first[reason].settings)} at {first[reason].site}: {reason}"
        for reason, count in counts.items()
    ]


def useful(space: Space, profiles: dict[str, HardwareProfile], config: RunConfig) -> Space:
    """The space without settings that a target's runtime refused, or that save nothing in any cost the run looks at.

    This is where a rank above the measured break-even goes, and attention approximations on short inputs: these have
    to be faster on a target, whatever else the run looks at.

    Raises:
        ConfigError: no setting is left.
    """
    for profile in profiles.values():
        space = profile.runnable(space)
    space = faster(space, profiles)
    names = {*config.objectives, *cost_bounds(config.budgets)} & set(COST_OF)
    saves: dict[str, list[bool]] = {}
    for choice in space.choices:
        columns = [
            profile.option_costs(choice, summed_cost(name))
            for profile in profiles.values()
            for name in names or {"latency"}
        ]
        saves[choice.name] = [any(column[i] < 0 for column in columns) for i in range(len(choice.settings))]

    def keep(choice: Choice, settings: Settings) -> bool:
        return saves[choice.name][choice.settings.index(settings)]

    kept = space.restrict(keep)
    if not kept.choices:
        looked_at = ", ".join(sorted(names or {"latency"}))
        raise ConfigError(
            f"objectives: must hold a cost that compressing this model lowers, but on {', '.join(profiles)} no setting "
            f"of its {len(space.sites)} sites lowers {looked_at}; add another one, such as size"
        )
    return kept


def _differs(target: TargetConfig, profile: HardwareProfile, config: RunConfig) -> bool:
    """Whether a profile was measured on another machine than the target's."""
    full = full_target(target, config)
    with measurer_of(target, config.ray) as measurer:
        return bool(profile.fingerprint.differences(measurer.fingerprint(full)))
