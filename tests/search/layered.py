"""Spaces like a transformer's, with layers, heads, ranks and bits, and tables of costs and losses from formulas."""

import numpy as np

from greenfront.search.allocation import Table
from greenfront.search.forest import Floats
from greenfront.spaces import Choice, Settings, Site, Space
from greenfront.spaces.method import Reduction

HEADS, WIDTH = 4, 8


def layered_space(layers: int = 3) -> Space:
    """In every layer an attention that may be skipped or lose heads, and three linears with ranks and bits."""
    choices: list[Choice] = []
    for number in range(layers):
        path = f"layer.{number}"
        features = HEADS * WIDTH
        linears = [Site(f"{path}.{name}", "linear", (features, features), "Linear") for name in ("a.q", "a.o", "f")]
        gone = tuple(Reduction(f"{path}.{part}", "all", 1, "skip", "attention") for part in ("a", "a.q", "a.o"))
        heads = (Reduction(f"{path}.a.q", "out", WIDTH, "heads"), Reduction(f"{path}.a.o", "in", WIDTH, "heads"))
        choices += [
            Choice(Site(path, "layer", (9, 9), "Layer"), "blocks", ({"skip": "attention"},), gone),
            Choice(
                Site(f"{path}.a", "attention", (HEADS, WIDTH), "Attention"), "heads",
                ({"heads": 1}, {"heads": 2}, {"heads": 3}), heads,
            ),
        ]  # fmt: skip
        for linear in linears:
            choices.append(Choice(linear, "low_rank", ({"rank": 2}, {"rank": 4}, {"rank": 8}, {"rank": 12})))
            choices.append(Choice(linear, "bits", ({"bits": 8},)))
    return Space(tuple(choices))


def layered_cost(effective: Settings, kind: str) -> float:
    """Multiplications of a linear, or its bytes; attentions and layers as such have none."""
    if "skipped" in effective:
        return 0.0
    rows, columns = int(effective.get("out", HEADS * WIDTH)), int(effective.get("in", HEADS * WIDTH))
    rank = effective.get("rank")
    weights = float(rows * columns if rank is None else int(rank) * (rows + columns))
    return weights * (0.25 if kind == "size" else 0.6) if "bits" in effective else weights


def layered_changes(space: Space, kind: str = "latency") -> Table:
    """What every state of a site changes in `latency` or `size`."""
    linears = {site.path for site in space.sites if site.kind == "linear"}
    full = layered_cost({}, kind)
    return {
        site.path: [layered_cost(s.effective, kind) - full if site.path in linears else 0.0 for s in site.states]
        for site in space.states
    }


def layered_original(space: Space, kind: str = "latency") -> float:
    """The cost of the original."""
    return layered_cost({}, kind) * sum(site.kind == "linear" for site in space.sites)


def layered_losses(space: Space, seed: int) -> dict[str, list[float]]:
    """Nats, over some decades, the more the stronger a setting is."""
    rng = np.random.default_rng(seed)
    return {
        choice.name: [*np.sort(np.exp(rng.normal(-6, 1.5, len(choice.settings))))[::-1].tolist(), 0.0]
        for choice in space.choices
    }


def hypervolume(points: Floats, reference: Floats) -> float:
    """Of points (n, 2), both minimised, by adding up rectangles."""
    area, best = 0.0, float(reference[1])
    for first, second in points[np.argsort(points[:, 0])]:
        if first < reference[0] and second < best:
            area += float((reference[0] - first) * (best - second))
            best = float(second)
    return area
