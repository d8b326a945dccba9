"""Seconds of one core that allocations take, and how good they are for sure: of a run's own space, and of a deeper one.

    python benchmarks/allocation.py runs/reuters [--layers 32]

Space, costs and losses are those of a run. Its layers repeated up to `--layers` give the space of a deep model, whose
losses differ from layer to layer by random factors. Limits lie at shares of the way from the original's costs to the
least that any plan reaches; of several costs each gets one. `gap`: the share of its loss by which the best plan may be
better than the one found; `columns`: states, and how many of them prices left to be searched, in how many branches.
"""

import argparse
import re
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from greenfront.cost_names import CostName
from greenfront.evaluators import Significance
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search import RunFolder
from greenfront.search.allocation import Limit, allocation, cheapest
from greenfront.search.profiles import useful
from greenfront.spaces import Choice, Space, find_space, load_checkpoint

LEVELS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
COSTS: tuple[CostName, ...] = ("latency_ms", "size_mb", "peak_memory_mb", "flops")
LAYER = re.compile(r"(\blayers?\.)(\d+)\b")
Numbers = dict[str, list[float]]


def main() -> None:
    """Print a row per space and number of limits."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("run", type=Path)
    arguments.add_argument("--layers", type=int, default=32)
    asked = arguments.parse_args()
    space, losses, changes = of_run(RunFolder.existing(asked.run))
    table = Table("space", "limits", "solved", "median s", "worst s", "worst gap", "columns", "searched", "branches")
    for name, problem in (
        (asked.run.name, (space, losses, changes)),
        (f"{asked.layers} layers", deeper(space, losses, changes, asked.layers)),
    ):
        for count in range(1, len(COSTS) + 1):
            table.add_row(name, str(count), *row(*problem, COSTS[:count]))
    Console(width=120).print(table)


def of_run(run: RunFolder) -> tuple[Space, Numbers, dict[CostName, Numbers]]:
    """A run's space, its losses, and what states change in each cost on its first target."""
    config = run.load_config()
    target = config.hardware[0]
    profile = HardwareProfile.load(run.profile(target.name))
    whole = find_space(load_checkpoint(run.base), config.space, config.target_length(target))
    space = useful(whole, {target.name: profile}, config)
    losses = Significance.from_json(run.significance.read_text()).losses
    changes = {cost: {site.path: profile.state_costs(site, cost) for site in space.states} for cost in COSTS}
    return space, {choice.name: list(losses[choice.name]) for choice in space.choices}, changes


def deeper(
    space: Space, losses: Numbers, changes: Mapping[CostName, Numbers], layers: int
) -> tuple[Space, Numbers, dict[CostName, Numbers]]:
    """The same with its layers repeated up to so many; the losses of each choice times a random factor."""
    rng, of_layer = np.random.default_rng(0), dict[int | None, list[Choice]]()
    for choice in space.choices:
        found = LAYER.search(choice.site.path)
        of_layer.setdefault(int(found[2]) if found else None, []).append(choice)
    elsewhere = of_layer.pop(None, [])
    given = sorted(layer for layer in of_layer if layer is not None)
    choices, scaled = elsewhere.copy(), {choice.name: losses[choice.name] for choice in elsewhere}
    for layer in range(layers):
        for choice in of_layer[given[layer % len(given)]]:
            moved = replace(
                choice,
                site=replace(choice.site, path=_moved(choice.site.path, layer)),
                reduces=tuple(replace(each, path=_moved(each.path, layer)) for each in choice.reduces),
            )
            factor = float(np.exp(rng.normal()))
            scaled[moved.name] = [factor * loss for loss in losses[choice.name]]
            choices.append(moved)
    deep = Space(tuple(choices))

    def source(path: str) -> str:
        found = LAYER.search(path)
        return _moved(path, given[int(found[2]) % len(given)]) if found else path

    costs = {cost: {site.path: table[source(site.path)] for site in deep.states} for cost, table in changes.items()}
    return deep, scaled, costs


def _moved(path: str, layer: int) -> str:
    return LAYER.sub(rf"\g<1>{layer}", path)


def row(space: Space, losses: Numbers, changes: Mapping[CostName, Numbers], costs: Sequence[CostName]) -> list[str]:
    """Number solved, seconds, gap, columns, over all levels."""
    columns = sum(len(site.states) for site in space.states)
    least = {cost: cheapest(space, changes[cost]) for cost in costs}
    seconds, gaps, left, nodes = list[float](), list[float](), list[int](), list[int]()
    for level in LEVELS:
        limits = [Limit(changes[cost], level * least[cost]) for cost in costs]
        started = time.process_time()
        found = allocation(space, losses, limits)
        seconds.append(time.process_time() - started)
        if found is not None:
            gaps.append(found.gap)
            left.append(found.columns)
            nodes.append(found.nodes)
    return [
        f"{len(gaps)} of {len(LEVELS)}", f"{statistics.median(seconds):.2f}", f"{max(seconds):.2f}",
        f"{max(gaps, default=0):.1e}", str(columns), str(max(left, default=0)),
        str(max(nodes, default=0)),
    ]  # fmt: skip


if __name__ == "__main__":
    main()
