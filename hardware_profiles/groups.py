"""Which modules cost the same, and in which order their settings lie."""

from collections.abc import Mapping
from dataclasses import dataclass

from greenfront.hardware_profiles.records import settings_key
from greenfront.hardware_profiles.tracing import Use
from greenfront.spaces import Settings, Space
from greenfront.spaces.compression import method_of


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


def group_sites(space: Space, uses: Mapping[str, Use]) -> list[Group]:
    """The space's sites by what decides their cost."""
    paths: dict[str, list[str]] = {}
    lines: dict[str, dict[str, dict[str, Settings]]] = {}
    for choice in space.choices:
        use = uses.get(choice.site.path)
        name = f"{choice.site.signature} on {use.shapes if use else 'nothing'}"
        if choice.site.path not in paths.setdefault(name, []):
            paths[name].append(choice.site.path)
        for settings in choice.settings:
            line = lines.setdefault(name, {}).setdefault(_line(settings), {})
            line[settings_key(settings)] = settings
    return [
        Group(
            name=name,
            paths=tuple(found),
            calls=sum(uses[path].calls for path in found if path in uses),
            lines=tuple(Line(tuple(line.values())) for line in lines[name].values()),
            use=uses.get(found[0]),
        )
        for name, found in paths.items()
    ]


def grid(count: int, points: int) -> list[int]:
    """At most so many of `count` places, evenly spread, the first and the last among them."""
    if count <= points:
        return list(range(count))
    return [round(step * (count - 1) / (points - 1)) for step in range(points)]


def _line(settings: Settings) -> str:
    """What the settings of a line share."""
    method = method_of(settings)
    return f"{method.name} {settings_key({key: value for key, value in settings.items() if key != method.keys[0]})}"
