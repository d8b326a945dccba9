"""Groups of choices whose predicted losses are likely to be wrong by about the same factor.

A group is one method on one kind of site in one part of the depth: the ranks of queries in early layers, say. After
SPDY's sensitivity multipliers (Frantar & Alistarh 2022, 2201.13096), which are one per layer; methods that recover
better or worse than their scores say do so wherever they are, so kinds come first (Bolaco, 2405.10616, section 3.2:
five kinds in four parts of the depth). Letters: G groups, N columns of the forest.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from greenfront.search.forest import Floats, Numbers, ordered
from greenfront.spaces import Choice, Space

DEPTHS = ("early", "middle", "late")
METHOD, KIND, OWN = 0.5, 0.25, 0.25
"""How much of the variance of a group's factor it shares with all of its method, with its kind, and with nothing."""
_NUMBER = re.compile(r"\.(\d+)(?=\.|$)")


@dataclass(frozen=True)
class Group:
    """`kind` is a site's path without the number of its layer; `depth` is empty where it has none."""

    method: str
    kind: str
    depth: str

    def __str__(self) -> str:
        """As its parameter in a study is called."""
        return " ".join(filter(None, (self.method, self.kind, self.depth)))


@dataclass(frozen=True)
class Groups:
    """The groups of a space, in the order of its choices."""

    groups: tuple[Group, ...]
    of_choice: Mapping[str, int]

    @classmethod
    def of(cls, space: Space) -> "Groups":
        """Every choice is in one."""
        numbers = [_layer(choice) for choice in space.choices]
        layers = 1 + max((number for number in numbers if number is not None), default=0)
        found: dict[Group, int] = {}
        of_choice = {}
        for choice, number in zip(space.choices, numbers, strict=True):
            depth = "" if number is None else DEPTHS[number * len(DEPTHS) // layers]
            group = Group(choice.method, _NUMBER.sub("", choice.site.path, count=1), depth)
            of_choice[choice.name] = found.setdefault(group, len(found))
        return cls(tuple(found), of_choice)

    def __len__(self) -> int:
        return len(self.groups)

    @cached_property
    def correlation(self) -> Floats:
        """(G, G) What is believed of two groups' factors before anything is known."""
        method = np.array([[a.method == b.method for a in self.groups] for b in self.groups])
        kind = np.array([[a.kind == b.kind for a in self.groups] for b in self.groups])
        found: Floats = METHOD * method + KIND * (method & kind) + OWN * np.eye(len(self))
        return found


@dataclass(frozen=True)
class Parts:
    """What every column of a space's forest loses in which groups."""

    group: Numbers
    """(W, N) Where a column takes fewer options than another, it is filled up with losses of zero."""
    loss: Floats
    """(W, N) In nats."""

    @classmethod
    def of(cls, space: Space, losses: Mapping[str, Sequence[float]], groups: Groups) -> "Parts":
        """By `losses` per option of each choice."""
        options = [state.options for site in ordered(space) for state in site.states]
        width = max(1, *map(len, options))
        group = np.zeros((width, len(options)), dtype=np.intp)
        loss = np.zeros((width, len(options)))
        for column, several in enumerate(options):
            for place, (name, index) in enumerate(several):
                group[place, column], loss[place, column] = groups.of_choice[name], losses[name][index]
        return cls(group, loss)

    def losses(self, factors: Floats) -> Floats:
        """(G,) factors of the groups -> (N,) what every column loses then."""
        summed: Floats = (self.loss * factors[self.group]).sum(axis=0)
        return summed

    def by_group(self, columns: Numbers, groups: int) -> Floats:
        """(S,) chosen columns -> (G,) what they lose in each group."""
        chosen = self.loss[:, columns].ravel()
        found: Floats = np.bincount(self.group[:, columns].ravel(), weights=chosen, minlength=groups).astype(np.float64)
        return found


def _layer(choice: Choice) -> int | None:
    """The first number in a site's path."""
    found = _NUMBER.search(choice.site.path)
    return int(found[1]) if found else None
