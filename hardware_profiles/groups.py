"""Which modules cost the same, and in which order their settings lie."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from greenfront.hardware_profiles.operation_table import SIDES
from greenfront.hardware_profiles.records import settings_key
from greenfront.hardware_profiles.tracing import Use
from greenfront.spaces import Settings, Site, Space
from greenfront.spaces.compression import method_of
from greenfront.spaces.effective import reduced_linears
from greenfront.spaces.sites import Linear, linear_shape, signature

LEVELS = 3
"""Sizes of a linear, below the whole one, at which all its settings are measured: cost is linear in the size."""


@dataclass(frozen=True)
class Line:
    """Settings that differ in their method's amount alone (the rank, the projected length), in its order."""

    settings: tuple[Settings, ...]


@dataclass(frozen=True)
class Group:
    """Sites that cost the same: equal signature, equal input shapes."""

    name: str
    paths: tuple[str, ...]
    calls: int
    """Of all these sites in one forward pass."""
    lines: tuple[Line, ...]
    use: Use | None
    """None for modules that the forward pass never calls: their latency and FLOPs are zero."""

    @property
    def settings(self) -> tuple[Settings, ...]:
        """All of them, the original (`{}`) last."""
        return (*(settings for line in self.lines for settings in line.settings), {})


def profiled_sites(space: Space, model: nn.Module) -> tuple[Site, ...]:
    """The space's sites, and the linears that settings elsewhere make smaller."""
    known = {site.path for site in space.sites}
    others = []
    for path in reduced_linears(space.reductions):
        module = model.get_submodule(path)
        assert isinstance(module, Linear)
        if path not in known:
            others.append(Site(path, "linear", linear_shape(module), signature(module)))
    return (*space.sites, *others)


def group_sites(space: Space, uses: Mapping[str, Use], sites: Sequence[Site] | None = None) -> list[Group]:
    """The sites, by default the space's own, by what decides their cost.

    The settings of a group are those of all methods at one of its sites together, at several sizes where settings
    elsewhere make a site smaller.
    """
    members: dict[str, list[Site]] = {}
    for site in space.sites if sites is None else sites:
        use = uses.get(site.path)
        members.setdefault(f"{site.signature} on {use.shapes if use else 'nothing'}", []).append(site)
    return [
        Group(
            name=name,
            paths=tuple(site.path for site in found),
            calls=sum(uses[site.path].calls for site in found if site.path in uses),
            lines=_lines(space, [site.path for site in found]),
            use=uses.get(found[0].path),
        )
        for name, found in members.items()
    ]


def _lines(space: Space, paths: Sequence[str]) -> tuple[Line, ...]:
    """Every combination of one setting for each method, and of one size, on the line of its first method's amount."""
    lines: dict[str, dict[str, Settings]] = {}
    for path in paths:
        resizing = {r.setting for r in space.reductions.get(path, ()) if r.path == path and r.side != "all"}
        offered = [c.options for c in space.choices if c.site.path == path and not resizing & set(c.settings[0])]
        for size in [{}, *_levels(space, path)]:
            for parts in itertools.product(*offered):
                settings = {key: value for part in (*parts, size) for key, value in part.items()}
                if settings:
                    lines.setdefault(_line(settings), {})[settings_key(settings)] = settings
    return tuple(Line(tuple(line.values())) for line in lines.values())


def _levels(space: Space, path: str) -> list[Settings]:
    """A few of the sizes to which settings elsewhere may reduce a linear."""
    amounts: dict[str, set[int]] = {}
    for choice in space.choices:
        for reduction in choice.reduces:
            if reduction.path == path and reduction.side != "all":
                counts = [s[reduction.setting] for s in choice.settings if reduction.setting in s]
                amounts.setdefault(reduction.side, set()).update(reduction.unit * int(count) for count in counts)
    return [{side: sorted(found)[place]} for side, found in amounts.items() for place in grid(len(found), LEVELS)]


def grid(count: int, points: int) -> list[int]:
    """At most so many of `count` places, evenly spread, the first and the last among them."""
    if count <= points:
        return list(range(count))
    return [round(step * (count - 1) / (points - 1)) for step in range(points)]


def _line(settings: Settings) -> str:
    """What the settings of a line share: everything but the amount of their first method, or nothing but a size."""
    own = {key: value for key, value in settings.items() if key not in SIDES}
    if not own:
        return settings_key(settings)
    method = method_of(own)
    return f"{method.name} {settings_key({key: value for key, value in settings.items() if key != method.keys[0]})}"
