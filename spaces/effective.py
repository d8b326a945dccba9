"""What settings leave of other modules: the features that linears keep, and what is skipped with its block.

All of it from the Space and the Plan alone, so that costs can be predicted without a model.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenfront.spaces.method import Reduction
from greenfront.spaces.places import inside
from greenfront.spaces.plan import Plan, Settings, Value

if TYPE_CHECKING:
    from greenfront.spaces.space import Space

Reductions = Mapping[str, tuple[Reduction, ...]]
"""What the settings at a path make smaller, by that path."""


@dataclass(frozen=True)
class Clash:
    """A setting that another one makes moot."""

    path: str
    key: str
    reason: str


def effective(space: "Space", plan: Plan) -> dict[str, Settings]:
    """`effective_settings` of a Plan of this space."""
    return effective_settings(plan, space.reductions, [site.path for site in space.sites])


def effective_settings(
    plan: Mapping[str, Settings], reductions: Reductions, sites: Iterable[str]
) -> dict[str, Settings]:
    """The settings of every module that a Plan changes, by its path, with the features that it is left with.

    Of every site and every linear named in a `Reduction`: its own settings, `out` and `in` where another module's
    settings leave it so many rows or columns (`{"rank": 64, "out": 256}`, `{"in": 768}`), or `{"skipped": 1}`
    where a block goes that it is part of. Modules that stay as they are don't appear.
    """
    found: dict[str, dict[str, Value]] = {path: dict(settings) for path, settings in plan.items()}
    prefixes: list[tuple[str, str]] = []
    for path, reduction, amount in _happening(plan, reductions):
        if reduction.side == "all":
            prefixes.append((path, reduction.path))
        else:
            found.setdefault(reduction.path, {})[reduction.side] = reduction.unit * int(amount)
    if prefixes:
        for path in dict.fromkeys([*sites, *reduced_linears(reductions)]):  # in one order: costs are sums over it
            if any(path != site and inside(path, prefix) for site, prefix in prefixes):
                found[path] = {"skipped": 1}
    return dict(found)


def reduced_linears(reductions: Reductions) -> list[str]:
    """The linears that may become smaller, each once."""
    return list(dict.fromkeys(each.path for several in reductions.values() for each in several if each.side != "all"))


def gone(space: "Space", plan: Plan) -> tuple[str, ...]:
    """The modules that a Plan skips, with all that is inside them."""
    return tuple(r.path for _, r, _ in _happening(plan, space.reductions) if r.side == "all")


def clashes(plan: Mapping[str, Settings], reductions: Reductions, shapes: Mapping[str, tuple[int, int]]) -> list[Clash]:
    """The settings that others make moot: those of skipped modules, or else ranks that save nothing any more.

    `shapes` are (out, in) of the original's linears at the Plan's paths.
    """
    happening = list(_happening(plan, reductions))
    skipped = [
        Clash(path, key, f"{path}: {key}={value} can't be had with {_text(site, plan, reduction)}, which removes this")
        for site, reduction, _ in happening
        if reduction.side == "all"
        for path in plan
        if path != site and inside(path, reduction.path)
        for key, value in plan[path].items()
    ]
    return skipped or list(_moot_ranks(plan, happening, shapes))


def break_even(shape: tuple[int, int]) -> float:
    """The rank at which two factors have as many weights as the dense matrix: m n / (m + n)."""
    rows, columns = shape
    return rows * columns / (rows + columns)


def _moot_ranks(
    plan: Mapping[str, Settings],
    happening: Iterable[tuple[str, Reduction, Value]],
    shapes: Mapping[str, tuple[int, int]],
) -> Iterator[Clash]:
    for site, reduction, amount in happening:
        path = reduction.path
        rank = plan.get(path, {}).get("rank")
        if rank is None or reduction.side == "all" or path not in shapes:
            continue
        left, (rows, columns) = reduction.unit * int(amount), shapes[path]
        shape = (left, columns) if reduction.side == "out" else (rows, left)
        if int(rank) >= break_even(shape):
            reason = (
                f"{path}: rank={rank} can't be had with {_text(site, plan, reduction)}: it must be below the "
                f"break-even of {break_even(shape):g} of the {shape[0]} x {shape[1]} that are left"
            )
            yield Clash(path, "rank", reason)


def _happening(plan: Mapping[str, Settings], reductions: Reductions) -> Iterator[tuple[str, Reduction, Value]]:
    """Every reduction that a Plan brings about, with the path and the value of the setting that does."""
    for path, settings in plan.items():
        for reduction in reductions.get(path, ()):
            if reduction.happens(settings):
                yield path, reduction, settings[reduction.setting]


def _text(site: str, plan: Mapping[str, Settings], reduction: Reduction) -> str:
    return f"{reduction.setting}={plan[site][reduction.setting]} of {site}"
