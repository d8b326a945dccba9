"""The Space: every choice a model offers, as an ordered, finite, serialisable product."""

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

from greenfront.errors import PlanError
from greenfront.spaces.method import Choice, Refusal, Site
from greenfront.spaces.plan import Plan, Settings


@dataclass(frozen=True)
class Space:
    """The product of its choices; a point is one option index per choice (0 the cheapest, last the original)."""

    choices: tuple[Choice, ...]
    refusals: tuple[Refusal, ...] = ()

    @property
    def size(self) -> int:
        """How many plans there are."""
        return math.prod(len(choice.options) for choice in self.choices)

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """The distinct sites, in the model's order."""
        return tuple({choice.site.path: choice.site for choice in self.choices}.values())

    def plan(self, indices: Sequence[int]) -> Plan:
        """The Plan at a point; raises PlanError when an index is out of range or one is missing."""
        if len(indices) != len(self.choices):
            raise PlanError(f"a point must have {len(self.choices)} indices, but got {len(indices)}")
        settings: dict[str, dict[str, int | float | str]] = {}
        for choice, index in zip(self.choices, indices, strict=True):
            if not 0 <= index < len(choice.options):
                raise PlanError(f"{choice.name}: an index must be in 0..{len(choice.options) - 1}, but got {index}")
            settings.setdefault(choice.site.path, {}).update(choice.options[index])
        return Plan(settings)

    def indices(self, plan: Plan) -> tuple[int, ...]:
        """The point of a Plan; raises PlanError when the Plan is not in this space. Inverse of `plan`."""
        point = []
        left = plan.to_dict()
        for choice in self.choices:
            chosen = left.get(choice.site.path, {})
            keys = {key for settings in choice.settings for key in settings}
            part = {key: chosen.pop(key) for key in keys & set(chosen)}
            options = [dict(option) for option in choice.options]
            if part not in options:
                valid = ", ".join(str(option) for option in options)
                raise PlanError(f"{choice.site.path}: settings must be one of {valid}, but got {part}")
            point.append(options.index(part))
        unknown = {path: rest for path, rest in left.items() if rest}
        if unknown:
            raise PlanError(f"not in this space: {json.dumps(unknown)}")
        return tuple(point)

    def random(self, rng: random.Random) -> Plan:
        """A plan drawn uniformly."""
        return self.plan([rng.randrange(len(choice.options)) for choice in self.choices])

    def restrict(self, keep: Callable[[Choice, Settings], bool]) -> "Space":
        """The same space with only the settings for which `keep` holds; choices left without any disappear."""
        kept = [
            Choice(choice.site, choice.method, tuple(s for s in choice.settings if keep(choice, s)))
            for choice in self.choices
        ]
        return Space(tuple(choice for choice in kept if choice.settings), self.refusals)

    def to_json(self) -> str:
        """The whole space as JSON."""
        return json.dumps(
            {"choices": [asdict(c) for c in self.choices], "refusals": [asdict(r) for r in self.refusals]}
        )

    @classmethod
    def from_json(cls, text: str) -> "Space":
        """Inverse of `to_json`."""
        raw = json.loads(text)
        return cls(tuple(_choice(c) for c in raw["choices"]), tuple(Refusal(**r) for r in raw["refusals"]))


def _choice(raw: Mapping[str, object]) -> Choice:
    site, settings = raw["site"], raw["settings"]
    assert isinstance(site, dict)
    assert isinstance(settings, list)
    return Choice(Site(**{**site, "shape": tuple(site["shape"])}), str(raw["method"]), tuple(settings))
