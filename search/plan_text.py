"""A Plan as a small table for people: the sites of a layer as rows, the layers as columns."""

import re
from collections.abc import Mapping

from greenfront.spaces.plan import Plan, Settings

IN_LAYER = re.compile(r"^(?P<stack>.*?)\.(?P<layer>\d+)\.(?P<site>.+)$")
GENERIC = (".dense", ".weight")  # path endings that say nothing about the site
SHORT = {"rank": "", "linformer": "k", "bits": "b", "heads": "h", "width": "w"}


def plan_lines(plan: Plan, width: int = 76, limit: int = 20) -> list[str]:
    """The Plan in at most `limit` lines of about `width` characters.

    Settings stand as `setting_words` has them; `.` leaves the module as it is. Stacks that are wider than `width` are
    wrapped into blocks of layers; sites outside a stack of layers have a line each. What doesn't fit is counted in the
    last line.
    """
    if not plan:
        return ["nothing is changed"]
    stacks: dict[str, dict[str, dict[int, str]]] = {}
    alone: dict[str, str] = {}
    for path, settings in plan.items():
        found = IN_LAYER.match(path)
        if found is None:
            alone[path] = "+".join(setting_words(settings))
        else:
            site = stacks.setdefault(found["stack"], {}).setdefault(found["site"], {})
            site[int(found["layer"])] = "+".join(setting_words(settings))
    lines = [f"{path}: {cell}" for path, cell in alone.items()]
    for stack, sites in stacks.items():
        lines += _blocks(stack, sites, width)
    if len(lines) > limit:
        left = len(lines) - limit + 1
        lines = [*lines[: limit - 1], f"... and {left} lines more"]
    return lines


def _blocks(stack: str, sites: Mapping[str, Mapping[int, str]], width: int) -> list[str]:
    names = short_names(tuple(sorted(sites)))
    layers = range(max(max(cells) for cells in sites.values()) + 1)
    margin = max(len(stack), *(len(name) for name in names.values())) + 1
    column = max(len(cell) for cells in sites.values() for cell in cells.values())
    column = max(column, len(str(layers[-1]))) + 1
    per_block = max(1, (width - margin) // column)
    lines = []
    for start in range(0, len(layers), per_block):
        block = layers[start : start + per_block]
        lines.append(stack.ljust(margin) + "".join(str(layer).rjust(column) for layer in block))
        for site in sorted(sites):
            row = "".join(sites[site].get(layer, ".").rjust(column) for layer in block)
            lines.append(names[site].ljust(margin) + row)
    return lines


def short_names(sites: tuple[str, ...]) -> dict[str, str]:
    """Each site's shortest ending that no other site has; `attention.self.query` is `query`."""
    plain = {}
    for site in sites:
        name = site
        for ending in GENERIC:
            name = name.removesuffix(ending)
        plain[site] = name.split(".")
    if len({tuple(parts) for parts in plain.values()}) < len(sites):
        plain = {site: site.split(".") for site in sites}
    short = {}
    for site, parts in plain.items():
        others = [other for name, other in plain.items() if name != site]
        sizes = range(1, len(parts) + 1)
        unique = (n for n in sizes if all(other[-n:] != parts[-n:] for other in others))
        short[site] = ".".join(parts[-next(unique, len(parts)) :])
    return short


def setting_words(settings: Settings) -> list[str]:
    """Each setting in as few letters as can be: a rank `64`, a Linformer length `k64`, eight bits `b8`, heads `h6`, a
    width `w768`, anything else `key=value`."""
    return [f"{SHORT[key]}{value}" if key in SHORT else f"{key}={value}" for key, value in settings.items()]
