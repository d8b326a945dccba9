"""What is timed for a profile's table: one operation per kind of module, input shape and setting of a grid."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from greenfront.errors import MeasureError
from greenfront.hardware_profiles.flops import count_flops
from greenfront.hardware_profiles.groups import Group, Line, grid
from greenfront.hardware_profiles.records import Interpolated, Refused, operation_name, settings_key
from greenfront.hardware_profiles.runtime import Runtime
from greenfront.hardware_profiles.sampling import Run
from greenfront.hardware_profiles.untrained import Untrained
from greenfront.spaces import METHODS, Settings
from greenfront.spaces.reduced import of_size
from greenfront.spaces.sites import Linear, linear_shape

CHAIN = 8
CHAIN_BYTES = 48_000_000
POINTS, JOINT_POINTS = 5, 3
"""Settings of a line that are measured at first: latency is close to piecewise linear in the work. Of those that join
several methods, or a method and a size, there are many lines."""


@dataclass(frozen=True)
class Holding:
    """What a single module holds, and the work of a single call."""

    parameters: int
    bytes: int
    flops: int


@dataclass(frozen=True)
class Operation:
    """One setting of a group, ready to run as a chain of several of the group's modules."""

    group: Group
    settings: Settings
    holding: Holding
    chain: tuple[Run, ...]

    @property
    def name(self) -> str:
        """Unique in a profile."""
        return operation_name(self.group.name, self.settings)


class Operations:
    """The operations of all groups: those on a grid are prepared for timing, of the others it is known what they hold.

    What the runtime refuses is left out, with its reason: a setting, or all of a group whose original it refuses.
    """

    def __init__(self, groups: Sequence[Group], model: PreTrainedModel, runtime: Runtime) -> None:
        self.groups = groups
        self.measured: dict[str, Operation] = {}
        """By name."""
        self._refused: dict[str, str] = {}
        self._builders = {group.name: _Builder(group, model, runtime) for group in groups}
        for group in groups:
            self._add(group, {})
            for line in sorted(group.lines, key=lambda line: len(_by_method(line.settings[0]))):
                self._add_line(group, line)

    @property
    def refused(self) -> list[Refused]:
        """Every setting of every site that the runtime can't run; of several methods together, where it takes each."""
        return [
            Refused(path, dict(settings), self._refused[operation_name(group.name, settings)])
            for group in self.groups
            for settings in group.settings[:-1]
            if operation_name(group.name, settings) in self._refused and self._refused_part(group, settings) is None
            for path in group.paths
        ]

    @property
    def interpolated(self) -> list[Interpolated]:
        """Every setting that is neither measured nor refused, between the measured ones next to it on its line."""
        return [
            self._between(group, line, below, place, above)
            for group in self.groups
            for line in group.lines
            for below, above in itertools.pairwise(self._measured_places(group, line))
            for place in range(below + 1, above)
            if operation_name(group.name, line.settings[place]) not in self._refused
        ]

    def refine(self, latency_ms: Callable[[str, Settings], float], tolerance_ms: float, most: int) -> list[Operation]:
        """Measure more settings where interpolation is worst, at most so many; returns the new operations.

        A measured setting tells how far off its own interpolation between its neighbours would be, times the calls of
        its group: above the tolerance, the gaps on both sides of it are halved.
        `latency_ms` is asked by group and settings.
        """
        doubtful: list[tuple[float, Group, Settings]] = []
        for group in self.groups:
            for line in group.lines:
                places = self._measured_places(group, line)
                for below, place, above in zip(places, places[1:], places[2:], strict=False):
                    low, found, high = (latency_ms(group.name, line.settings[at]) for at in (below, place, above))
                    share = self._between(group, line, below, place, above).share
                    doubt = group.calls * abs((1 - share) * low + share * high - found)
                    halves = [line.settings[sum(gap) // 2] for gap in ((below, place), (place, above)) if _is_open(gap)]
                    doubtful += [(doubt, group, settings) for settings in halves if doubt > tolerance_ms]
        known = set(self.measured)
        for _, group, settings in sorted(doubtful, key=lambda entry: -entry[0])[:most]:
            self._add(group, settings)
        return [operation for name, operation in self.measured.items() if name not in known]

    def _add_line(self, group: Group, line: Line) -> None:
        points = POINTS if len(line.settings[0]) == 1 else JOINT_POINTS
        for place in reversed(grid(len(line.settings), points)):  # as the builder likes it
            self._add(group, line.settings[place])
        if any(operation_name(group.name, settings) in self._refused for settings in line.settings):
            for settings in line.settings:  # beside a refused setting nothing is guessed
                self._add(group, settings)

    def _add(self, group: Group, settings: Settings) -> None:
        name, builder = operation_name(group.name, settings), self._builders[group.name]
        if name in self.measured or name in self._refused:
            return
        refused = self._refused.get(operation_name(group.name, {})) or self._refused_part(group, settings)
        if refused is not None:
            self._refused[name] = refused
            return
        try:
            self.measured[name] = Operation(
                group, settings, builder.holdings[settings_key(settings)], builder.chain(settings)
            )
        except MeasureError as error:
            self._refused[name] = str(error)

    def _refused_part(self, group: Group, settings: Settings) -> str | None:
        """Why one method's part of these settings can't run alone, where it can't: nor can it together with others."""
        parts = [part for part in _by_method(settings) if part != settings]
        reasons = (self._refused.get(operation_name(group.name, part)) for part in parts)
        return next((reason for reason in reasons if reason is not None), None)

    def _measured_places(self, group: Group, line: Line) -> list[int]:
        names = [operation_name(group.name, settings) for settings in line.settings]
        return [place for place, name in enumerate(names) if name in self.measured]

    def _between(self, group: Group, line: Line, below: int, place: int, above: int) -> Interpolated:
        settings = [dict(line.settings[at]) for at in (below, place, above)]
        low, middle, high = (self._builders[group.name].holdings[settings_key(each)] for each in settings)
        share = 0.5
        for work in ("parameters", "flops"):  # FLOPs have the last word
            if getattr(high, work) != getattr(low, work):
                share = (getattr(middle, work) - getattr(low, work)) / (getattr(high, work) - getattr(low, work))
        return Interpolated(group.name, settings[1], settings[0], settings[2], share, **asdict(middle))


class _Builder:
    """Builds the modules of one group.

    A chain holds up to 8 of the group's modules, each with its own weights (at most 48 MB of the original's),
    so that weights come from further away in the caches, as in the model; a single module run again and again
    would find them in the nearest one. Modules of one place in the chain share memory across settings.
    """

    def __init__(self, group: Group, model: PreTrainedModel, runtime: Runtime) -> None:
        self._group, self._runtime = group, runtime
        fitting = CHAIN_BYTES // max(runtime.weight_bytes(model.get_submodule(group.paths[0])), 1)
        self._paths = group.paths[: max(1, min(CHAIN, len(group.paths), fitting))]
        self._modules = [model.get_submodule(path) for path in self._paths]
        self._untrained = [Untrained(module) for module in self._modules]
        # The largest first, so that the shared memory is made once.
        self.holdings = {settings_key(settings): self._holding(settings) for settings in reversed(group.settings)}
        """What one module holds with each of the group's settings, by `settings_key`."""

    def chain(self, settings: Settings) -> tuple[Run, ...]:
        """The runs of a setting; none where the module is never called. Raises MeasureError where it can't run."""
        if self._group.use is None:
            return ()
        modules = [self._changed(place, settings) for place in range(len(self._modules))]
        return self._runtime.prepare_chain(modules, *self._inputs(settings))

    def _holding(self, settings: Settings) -> Holding:
        module = self._changed(0, settings)
        return Holding(
            parameters=sum(parameter.numel() for parameter in module.parameters()),
            bytes=self._runtime.weight_bytes(module),
            flops=count_flops(module, *self._inputs(settings)) if self._group.use else 0,
        )

    def _inputs(self, settings: Settings) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """What the group's modules are called with, as many features of it as a smaller one reads."""
        assert self._group.use is not None
        args = self._group.use.args
        return (args[0][..., : settings["in"]], *args[1:]) if "in" in settings else args, self._group.use.kwargs

    def _changed(self, place: int, settings: Settings) -> nn.Module:
        """The module of a place with other settings, unchecked: sizes between need ranks that save nothing here."""
        if not settings:
            return self._modules[place]

        def change(module: nn.Module) -> nn.Module:
            if isinstance(module, Linear):
                rows, columns = linear_shape(module)
                module = of_size(module, int(settings.get("out", rows)), int(settings.get("in", columns)))
            for method in METHODS.values():
                if method.keys[0] in settings and method.owns(module):
                    module = method.apply(self._paths[place], module, settings, None)
            return module

        return self._untrained[place].build(change)


def _by_method(settings: Settings) -> list[Settings]:
    """The settings of each method that has some here."""
    return [
        {key: settings[key] for key in method.keys if key in settings}
        for method in METHODS.values()
        if method.keys[0] in settings
    ]


def _is_open(gap: tuple[int, int]) -> bool:
    """Whether anything lies between."""
    return gap[1] - gap[0] > 1
