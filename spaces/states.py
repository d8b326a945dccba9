"""In which states the sites of a Space can be, and how the states of one depend on those of another.

A linear's rank is chosen beside its bits; what it costs depends on the heads that its attention keeps, and it is gone
where its layer is skipped. Each site hangs on at most one other, whose states decide what is left of it: with that, a
sum over sites prices every Plan exactly, and an integer program can choose among all of them.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenfront.errors import PlanError
from greenfront.spaces.effective import Reductions, break_even, effective_settings
from greenfront.spaces.places import inside
from greenfront.spaces.plan import Settings

if TYPE_CHECKING:
    from greenfront.spaces.method import Choice
    from greenfront.spaces.space import Space


@dataclass(frozen=True)
class State:
    """One way a site can be."""

    own: Settings
    """What a Plan says there."""
    effective: Settings
    """With what settings elsewhere leave of it, see `effective`; empty where it is as it was."""
    options: tuple[tuple[str, int], ...]
    """The options taken, by the names of their choices."""
    context: int
    """Which of the site's contexts it belongs to."""


@dataclass(frozen=True)
class SiteStates:
    """All states of a site."""

    path: str
    states: tuple[State, ...]
    parent: str | None
    """The site on whose state it depends; None where all its states can be had whatever else is chosen."""
    contexts: tuple[tuple[int, ...], ...]
    """For each context the states of the parent, by their numbers, in which this site's states of it can be had."""


def site_states(space: "Space") -> tuple[SiteStates, ...]:
    """The states of every site, each after the site that it depends on.

    Raises:
        PlanError: a site that depends on two others which don't depend on each other.
    """
    paths = list(dict.fromkeys((*(site.path for site in space.sites), *_reduced(space))))
    leaders = {path: _leaders(space, path) for path in paths}
    found: dict[str, SiteStates] = {}
    chains: dict[str, list[dict[str, Settings]]] = {}
    for path in sorted(paths, key=lambda path: len(leaders[path])):
        parent = _parent(path, leaders)
        before = chains[parent] if parent is not None else [{}]
        of_chain = {at: space.reductions[at] for at in (*leaders[path], path) if at in space.reductions}
        contexts: dict[str, list[int]] = {}
        left: dict[str, tuple[Settings, dict[str, Settings]]] = {}
        for number, chain in enumerate(before):
            effect = effective_settings(chain, of_chain, [path]).get(path, {})
            contexts.setdefault(str(sorted(effect.items())), []).append(number)
            left.setdefault(str(sorted(effect.items())), (effect, chain))
        states: list[State] = []
        of_site: list[dict[str, Settings]] = []
        for context, (effect, chain) in enumerate(left.values()):
            for state in _states(space, of_chain, path, effect, chain, context):
                states.append(state)
                of_site.append({**chain, path: state.own} if state.own else dict(chain))
        chains[path] = of_site
        within = tuple(map(tuple, contexts.values())) if parent is not None else ((),)
        found[path] = SiteStates(path, tuple(states), parent, within)
    return tuple(found.values())


def _states(
    space: "Space",
    reductions: Reductions,
    path: str,
    effect: Settings,
    chain: Mapping[str, Settings],
    context: int,
) -> list[State]:
    """What can be chosen at a site of which settings elsewhere leave so much."""
    choices = [choice for choice in space.choices if choice.site.path == path]
    if "skipped" in effect:
        return [State({}, effect, tuple((c.name, len(c.settings)) for c in choices), context)]
    found = []
    for indices in itertools.product(*(range(len(choice.options)) for choice in choices)):
        chosen = [choice.options[index] for choice, index in zip(choices, indices, strict=True)]
        own = {key: value for part in chosen for key, value in part.items()}
        effective = effective_settings({**chain, path: own}, reductions, [path]).get(path, {})
        if _saves(choices, effective):
            options = tuple((choice.name, index) for choice, index in zip(choices, indices, strict=True))
            found.append(State(own, effective, options, context))
    return found


def _saves(choices: "list[Choice]", effective: Settings) -> bool:
    """Whether a rank is below the break-even of what is left: others stand in no Plan of a space."""
    if "rank" not in effective:
        return True
    rows, columns = choices[0].site.shape
    return int(effective["rank"]) < break_even((int(effective.get("out", rows)), int(effective.get("in", columns))))


def _reduced(space: "Space") -> list[str]:
    return [r.path for several in space.reductions.values() for r in several if r.side != "all"]


def _leaders(space: "Space", path: str) -> frozenset[str]:
    """The other sites whose settings leave less of this one."""
    return frozenset(
        site
        for site, several in space.reductions.items()
        for reduction in several
        if site != path and (inside(path, reduction.path) if reduction.side == "all" else path == reduction.path)
    )


def _parent(path: str, leaders: Mapping[str, frozenset[str]]) -> str | None:
    """The one of a site's leaders that all others lead, too."""
    if not leaders[path]:
        return None
    parent = max(leaders[path], key=lambda leader: len(leaders[leader]))
    if leaders[path] - {parent} - leaders[parent]:
        raise PlanError(f"{path}: depends on {', '.join(sorted(leaders[path]))}, which don't depend on each other")
    return parent
