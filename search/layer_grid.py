"""Where a model's sites stand in a table: layers as rows, the modules of a layer as columns, for any architecture.

All of it from paths, signatures and reductions, so that no architecture is named here.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from greenfront.search.plan_text import short_names
from greenfront.spaces.effective import Reductions
from greenfront.spaces.places import inside

LAYER = re.compile(r"^(?P<stack>.*?)\.(?P<layer>\d+)(?:\.(?P<site>.+))?$")
NUMBER = re.compile(r"\.\d+(?=\.|$)")
WHOLE = "whole"
"""The column of whole layers, and of what stands outside of all layers."""
Kind = Literal["linear", "embedding", "module"]
Row = tuple[str, tuple[str | None, ...]]
"""Its name, and the path in each column."""


@dataclass(frozen=True)
class LayerGrid:
    """Rows from the embeddings to the last layer, then what else is outside of layers; columns in the model's order.

    `paths` (rows x columns) are module paths, None where a layer hasn't such a module. A layer's own path stands in the
    first column, whether it is a site or not.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    paths: tuple[tuple[str | None, ...], ...]

    @classmethod
    def of(cls, kinds: Mapping[str, Kind], reductions: Reductions) -> "LayerGrid":
        """The grid of sites, given what each is, in the model's order but for up-projections (see `_in_order`)."""
        layers: dict[tuple[str, int], list[str]] = {}
        outside: list[str] = []
        for path in _in_order(kinds, reductions):
            if (found := LAYER.match(path)) is None:
                outside.append(path)
            else:
                sites = layers.setdefault((found["stack"], int(found["layer"])), [])
                sites += [] if found["site"] is None else [path]
        columns = _columns(list(layers.values()))
        order = list(
            dict.fromkeys(columns[p] for sites in sorted(layers.values(), key=len, reverse=True) for p in sites)
        )
        modules = {columns[path] for path in columns if kinds[path] == "module"}
        names = short_names(tuple(order)) | (dict.fromkeys(modules, "attention") if len(modules) == 1 else {})
        stacks = stack_names(list(dict.fromkeys(stack for stack, _ in layers)))
        rows: list[Row] = []
        for stack, number in sorted(layers, key=lambda layer: (list(stacks).index(layer[0]), layer[1])):
            placed = {columns[path]: path for path in layers[stack, number]}
            rows.append((f"{stacks[stack]} {number}", (f"{stack}.{number}", *map(placed.get, order))))
        short = short_names(tuple(outside))
        alone: list[Row] = [(short[path], (path, *[None] * len(order))) for path in outside]
        tables = [row for row, path in zip(alone, outside, strict=True) if kinds[path] == "embedding"]
        every = [*tables, *rows, *(row for row in alone if row not in tables)]
        return cls(
            tuple(name for name, _ in every),
            (WHOLE, *(names[key] for key in order)),
            tuple(paths for _, paths in every),
        )


def kind_of(signature: str) -> Kind:
    """What a site is, from its signature: a linear, a table, or a module that holds others (an attention, a layer)."""
    name = signature.partition("(")[0]
    return "linear" if name in ("Linear", "Conv1D") else "embedding" if name == "Embedding" else "module"


def _in_order(kinds: Mapping[str, Kind], reductions: Reductions) -> list[str]:
    """The sites, each module before what it holds.

    An up-projection, which comes early in a space as its width can be chosen there, is put before the linear that
    its reductions say to read it.
    """
    order = [path for path, kind in kinds.items() if kind != "module"]
    for up in [path for path in order if path in reductions]:
        readers = {each.path for each in reductions[up]} - {up}
        order.remove(up)
        order.insert(_first(order, readers), up)
    for module in [path for path, kind in kinds.items() if kind == "module"]:
        order.insert(_first(order, [path for path in order if inside(path, module)]), module)
    return order


def _first(order: Sequence[str], paths: Collection[str]) -> int:
    """Where the first of some paths stands; the end where there is none."""
    return next((place for place, path in enumerate(order) if path in paths), len(order))


def _columns(layers: Sequence[Sequence[str]]) -> dict[str, str]:
    """The column of every site: its path in the layer, without numbers where that tells the sites of a layer apart."""
    found = [{path: LAYER.sub(r"\g<site>", path) for path in sites} for sites in layers]
    bare = [{path: NUMBER.sub("", f".{site}").removeprefix(".") for path, site in sites.items()} for sites in found]
    told = all(len(set(sites.values())) == len(sites) for sites in bare)
    return {path: column for sites in (bare if told else found) for path, column in sites.items()}


def stack_names(stacks: Sequence[str]) -> dict[str, str]:
    """`layer` where there is one stack; of several what tells them apart, such as `encoder` and `decoder`."""
    if len(stacks) == 1:
        return {stacks[0]: "layer"}
    parts = {stack: stack.split(".") for stack in stacks}
    common = set.intersection(*map(set, parts.values())) if parts else set()
    return {stack: ".".join(part for part in own if part not in common) or stack for stack, own in parts.items()}
