"""Approximations of attention that a profile measured no faster than exact attention: not offered, whatever they save.

They save nothing else: FLOPs alone are no reason to answer less exactly.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from greenfront.hardware_profiles import HardwareProfile
from greenfront.hardware_profiles.records import settings_key
from greenfront.spaces import METHODS, Choice, Settings, Space
from greenfront.spaces.approximation import AttentionMethod
from greenfront.spaces.compression import method_name


@dataclass(frozen=True)
class Slower:
    """One setting of one attention that no target runs faster than exact attention, beyond the noise of both."""

    path: str
    method: str
    settings: Settings
    changes_ms: Mapping[str, tuple[float, float]]
    """By target: what it changes of the model's latency, and half the 95% interval of that."""


def faster(space: Space, profiles: Mapping[str, HardwareProfile]) -> Space:
    """The space without them."""
    slower = {(each.path, each.method, settings_key(each.settings)) for each in slower_approximations(space, profiles)}
    return space.restrict(lambda c, s: (c.site.path, method_name(c, s), settings_key(s)) not in slower)


def slower_approximations(space: Space, profiles: Mapping[str, HardwareProfile]) -> list[Slower]:
    """Every setting of the space that all of these profiles measured and none found faster."""
    found = []
    for choice, settings, method in _approximations(space) if profiles else ():
        path = choice.site.path
        if all(_runs(profile, path, settings) for profile in profiles.values()):
            changes_ms = {name: profile.setting_ms(path, settings) for name, profile in profiles.items()}
            if all(change + noise >= 0 for change, noise in changes_ms.values()):
                found.append(Slower(path, method, settings, changes_ms))
    return found


def left_out(space: Space, profiles: Mapping[str, HardwareProfile]) -> list[str]:
    """What of that leaves the space, one line a method, with the setting that comes nearest to being faster."""
    by_method: dict[str, list[Slower]] = defaultdict(list)
    for each in slower_approximations(space, profiles):
        by_method[each.method].append(each)
    total = Counter(method for *_, method in _approximations(space))
    lines = []
    for method, several in by_method.items():
        nearest = min(several, key=lambda each: min(change for change, _ in each.changes_ms.values()))
        measured = " and ".join(
            f"{change:+.3g} ms (known to {noise:.2g}) in {profiles[name].target.runtime} on {name}"
            for name, (change, noise) in nearest.changes_ms.items()
        )
        lines.append(
            f"{method}: {len(several)} of {total[method]} settings are left out, measured no faster than exact "
            f"attention, such as {dict(nearest.settings)} at {nearest.path}: {measured}"
        )
    return lines


def _approximations(space: Space) -> Iterator[tuple[Choice, Settings, str]]:
    """The settings that answer less exactly, with their method."""
    for choice in space.choices:
        for settings in choice.settings:
            method = method_name(choice, settings)
            if METHODS[method].group == AttentionMethod.group:
                yield choice, settings, method


def _runs(profile: HardwareProfile, path: str, settings: Settings) -> bool:
    """Whether a profile has measured this, and its runtime takes it."""
    use = profile.sites.get(path)
    return use is not None and use.parts(settings) is not None and profile.table.refusal(path, settings) is None
