"""Ranks: which are offered at a site, and which fit a module. Shared by what is factored: linears and tables."""

from collections.abc import Sequence

from greenfront.errors import ConfigError, PlanError
from greenfront.spaces.effective import break_even
from greenfront.spaces.method import Choice, Refusal, Site
from greenfront.spaces.plan import Settings


def rank_choices(
    sites: Sequence[Site], method: str, asked: Sequence[int] | None, align: int
) -> tuple[list[Choice], list[Refusal]]:
    """For every site the ranks below its break-even, ascending: those asked for, or every multiple of `align`.

    Raises:
        ConfigError: a rank asked for that saves nothing at any site.
    """
    choices, refusals = [], []
    for site in sites:
        limit = break_even(site.shape)
        ranks = [rank for rank in (sorted(asked) if asked else range(align, int(limit) + 1, align)) if rank < limit]
        if ranks:
            choices.append(Choice(site, method, tuple({"rank": rank} for rank in ranks)))
        else:
            refusals.append(Refusal(site.path, method, f"no rank offered is below its break-even of {limit:g}"))
    highest = max((break_even(site.shape) for site in sites), default=0)
    above = [rank for rank in asked or () if rank >= highest]
    if above and sites:
        layers = "at least one layer" if len(sites) > 1 else sites[0].path
        raise ConfigError(
            f"space.{method}.ranks: must be below the break-even of {layers}, {highest:g} here "
            f"(a higher rank saves nothing), but got {', '.join(map(str, above))}"
        )
    return choices, refusals


def check_rank(path: str, settings: Settings, shape: tuple[int, int]) -> None:
    """Raise PlanError unless the rank is a whole number below the break-even of this shape."""
    rank, limit = settings.get("rank"), break_even(shape)
    if not isinstance(rank, int):
        raise PlanError(f"{path}: rank must be a whole number, but got {rank!r}")
    if not 1 <= rank < limit:
        raise PlanError(f"{path}: rank must be from 1 to below the break-even of {limit:g}, but got {rank}")
