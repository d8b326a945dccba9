"""Plans worth trying first by a significance analysis: what was pruned goes, what is significant stays most."""

from collections.abc import Mapping, Sequence

from greenfront.evaluators import Analysis, Finding
from greenfront.search.allocation import Seed
from greenfront.spaces import Choice, Settings, Space

LEVELS = (1.0, 0.75, 0.5)
"""Seeds, from mild to strong: which of its options the least significant element that is kept gets (1: unchanged)."""
APPROXIMATED = 0.25
"""The option of what is to be approximated, and can't be by name; between the cheapest and unchanged."""
TAKING = ("heads", "width", "skip")
"""Settings that take elements away for real."""


def takes_elements_away(space: Space) -> bool:
    """Whether the space offers heads, widths or blocks."""
    return any(key in settings for choice in space.choices for settings in choice.settings for key in TAKING)


def analysis_seeds(analysis: Analysis, space: Space) -> list[Seed]:
    """One plan a level, valid in this space; levels that give the same plan, or the original, are left out."""
    parts = {name: part for part in analysis.parts for name in (part.path, *part.modules)}
    strength = _strength(analysis)
    found: list[Seed] = []
    for level in LEVELS:
        indices = [_option(choice, parts.get(choice.site.path), analysis, strength, level) for choice in space.choices]
        plan = space.plan(indices)
        if plan and plan not in [seed.plan for seed in found]:
            found.append(Seed(plan, f"significance {level:.0%}"))
    return found


def _strength(analysis: Analysis) -> dict[str, float]:
    """From 0, the least significant kept block, to 1, the most significant one, by path."""
    kept = sorted((part for part in analysis.parts if part.decision == "keep"), key=lambda part: part.significance)
    return {part.path: place / max(len(kept) - 1, 1) for place, part in enumerate(kept)}


def _option(
    choice: Choice, part: Finding | None, analysis: Analysis, strength: Mapping[str, float], level: float
) -> int:
    """The index of the option that the decisions ask for."""
    unchanged = len(choice.settings)
    if any("skip" in settings for settings in choice.settings):
        return _skip(choice, analysis)
    if part is None:  # an embedding table: no element of the walk
        return round(level * unchanged)
    for key in ("heads", "width"):
        if key in choice.settings[0]:
            return _amount(choice, part, analysis, key)
    if choice.site.kind == "attention":
        return _approximation(choice, part)
    if part.decision == "prune":
        return 0
    share = APPROXIMATED if part.decision == "approximate" else level + (1 - level) * strength[part.path]
    return round(share * unchanged)


def _skip(choice: Choice, analysis: Analysis) -> int:
    """Skip what was pruned of this layer: all of it, or one of its blocks."""
    inside = [part for part in analysis.parts if part.block == choice.site.path]
    pruned = {part.kind for part in inside if part.decision == "prune"}
    everything = bool(inside) and all(part.decision == "prune" for part in inside)
    wanted = ["layer"] if everything else sorted(pruned)
    places = [n for n, settings in enumerate(choice.settings) if settings.get("skip") in wanted]
    return places[0] if places else len(choice.settings)


def _amount(choice: Choice, part: Finding, analysis: Analysis, key: str) -> int:
    """The least amount offered that keeps every head, or share of the neurons, that was not pruned."""
    if part.decision == "prune":
        return 0
    children = analysis.children(part)
    if not children:
        return len(choice.settings)
    share = sum(child.decision != "prune" for child in children) / len(children)
    heads, whole = len(children), choice.site.shape[0]
    least = round(share * (heads if key == "heads" else whole))
    enough = [n for n, settings in enumerate(choice.settings) if float(settings[key]) >= least]
    return min(enough, key=lambda n: float(choice.settings[n][key]), default=len(choice.settings))


def _approximation(choice: Choice, part: Finding) -> int:
    """An approximation where one is asked for: sign-matching, as in AxFormer, else the mildest of the first method."""
    if part.decision == "keep":
        return len(choice.settings)
    signs = [n for n, settings in enumerate(choice.settings) if "sign_matching" in settings]
    keys = _keys(choice.settings[0])
    same = signs or [n for n, settings in enumerate(choice.settings) if _keys(settings) == keys]
    return same[0] if part.decision == "prune" else same[-1]


def _keys(settings: Settings) -> Sequence[str]:
    return sorted(settings)
