"""What is timed for a profile's table: one operation per kind of module, input shape and setting of a grid."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from torch import nn
from transformers import PreTrainedModel

from greenfront.errors import MeasureError
from greenfront.hardware_profiles.flops import count_flops
from greenfront.hardware_profiles.groups import Group, Line, grid
from greenfront.hardware_profiles.records import Interpolated, Refused, operation_name, settings_key
from greenfront.hardware_profiles.runtime import Runtime
from greenfront.hardware_profiles.sampling import Run
from greenfront.hardware_profiles.untrained import Untrained
from greenfront.spaces import Settings, apply_to_module

CHAIN = 8
CHAIN_BYTES = 48_000_000
POINTS = 5
"""Settings of a line that are measured at first: latency is close to piecewise linear in the work."""


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
            for line in group.lines:
                self._add_line(group, line)

    @property
    def refused(self) -> list[Refused]:
        """Every setting of every site that the runtime can't run."""
        return [
            Refused(path, dict(settings), self._refused[operation_name(group.name, settings)])
            for group in self.groups
            for settings in group.settings[:-1]
            if operation_name(group.name, settings) in self._refused
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
        for place in reversed(grid(len(line.settings), POINTS)):  # as the builder likes it
            self._add(group, line.settings[place])
        if any(operation_name(group.name, settings) in self._refused for settings in line.settings):
            for settings in line.settings:  # beside a refused setting nothing is guessed
                self._add(group, settings)

    def _add(self, group: Group, settings: Settings) -> None:
        name, builder = operation_name(group.name, settings), self._builders[group.name]
        if name in self.measured or name in self._refused:
            return
        original = operation_name(group.name, {})
        if original in self._refused:
            self._refused[name] = self._refused[original]
            return
        try:
            self.measured[name] = Operation(
                group, settings, builder.holdings[settings_key(settings)], builder.chain(settings)
            )
        except MeasureError as error:
            self._refused[name] = str(error)

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
        self._args, self._kwargs = (group.use.args, group.use.kwargs) if group.use else ((), {})
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
        return self._runtime.prepare_chain(modules, self._args, self._kwargs)

    def _holding(self, settings: Settings) -> Holding:
        module = self._changed(0, settings)
        return Holding(
            parameters=sum(parameter.numel() for parameter in module.parameters()),
            bytes=self._runtime.weight_bytes(module),
            flops=count_flops(module, self._args, self._kwargs) if self._group.use else 0,
        )

    def _changed(self, place: int, settings: Settings) -> nn.Module:
        """The module of a place with other settings."""
        if not settings:
            return self._modules[place]
        path = self._paths[place]
        return self._untrained[place].build(lambda module: apply_to_module(path, module, settings))


def _is_open(gap: tuple[int, int]) -> bool:
    """Whether anything lies between."""
    return gap[1] - gap[0] > 1
