"""The Space: every choice a model offers, as an ordered, finite, serialisable product."""

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property

from greenfront.errors import PlanError
from greenfront.spaces.effective import Reductions, clashes
from greenfront.spaces.method import Choice, Reduction, Refusal, Site
from greenfront.spaces.plan import Plan, Settings
from greenfront.spaces.states import SiteStates, site_states


@dataclass(frozen=True)
class Space:
    """The product of its choices; a point is one option index per choice (0 the cheapest, last the original).

    A setting that others make moot (of a module that is skipped with its block, a rank that saves nothing on what is
    left of a linear) does not appear in the Plan of a point, so that several points may have one Plan; no Plan of a
    space is refused.
    """

    choices: tuple[Choice, ...]
    refusals: tuple[Refusal, ...] = ()

    @property
    def size(self) -> int:
        """How many points there are: as many plans, or more."""
        return math.prod(len(choice.options) for choice in self.choices)

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """The distinct sites, in the model's order."""
        return tuple({choice.site.path: choice.site for choice in self.choices}.values())

    @cached_property
    def reductions(self) -> Reductions:
        """What settings at a path make smaller, by that path."""
        found: dict[str, tuple[Reduction, ...]] = {}
        for choice in self.choices:
            if choice.reduces:
                found[choice.site.path] = (*found.get(choice.site.path, ()), *choice.reduces)
        return found

    @cached_property
    def states(self) -> tuple[SiteStates, ...]:
        """In which states its sites can be, each site after the one that it depends on."""
        return site_states(self)

    def plan(self, indices: Sequence[int]) -> Plan:
        """The Plan at a point; raises PlanError when an index is out of range or one is missing."""
        if len(indices) != len(self.choices):
            raise PlanError(f"a point must have {len(self.choices)} indices, but got {len(indices)}")
        settings: dict[str, dict[str, int | float | str]] = {}
        for choice, index in zip(self.choices, indices, strict=True):
            if not 0 <= index < len(choice.options):
                raise PlanError(f"{choice.name}: an index must be in 0..{len(choice.options) - 1}, but got {index}")
            settings.setdefault(choice.site.path, {}).update(choice.options[index])
        shapes = {site.path: site.shape for site in self.sites} if self.reductions else {}
        while moot := self.reductions and clashes(settings, self.reductions, shapes):
            for clash in moot:
                settings[clash.path].pop(clash.key, None)
        return Plan(settings)

    def indices(self, plan: Plan) -> tuple[int, ...]:
        """The point of a Plan, its moot choices at the original; raises PlanError when the Plan is not in this space.

        `plan(indices(p)) == p` for every Plan p of the space.
        """
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
        """The plan of a point drawn uniformly."""
        return self.plan([rng.randrange(len(choice.options)) for choice in self.choices])

    def restrict(self, keep: Callable[[Choice, Settings], bool]) -> "Space":
        """The same space with only the settings for which `keep` holds; choices left without any disappear."""
        kept = [
            replace(choice, settings=tuple(s for s in choice.settings if keep(choice, s))) for choice in self.choices
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
    site, settings, reduces = raw["site"], raw["settings"], raw.get("reduces", [])
    assert isinstance(site, dict)
    assert isinstance(settings, list)
    assert isinstance(reduces, list)
    return Choice(
        Site(**{**site, "shape": tuple(site["shape"])}),
        str(raw["method"]),
        tuple(settings),
        tuple(Reduction(**reduction) for reduction in reduces),
    )
