"""Fronts of a space like a transformer's, with a profile by formulas: what has layers to be drawn."""

import random
from dataclasses import replace
from functools import cache

from greenfront.evaluators import Significance
from greenfront.hardware_profiles import HardwareProfile
from greenfront.hardware_profiles.records import OperationCost, SiteUse, Timing, settings_key
from greenfront.search.front import Front
from greenfront.spaces import Plan, Settings, Space
from tests.search.front_builder import NO_BUDGETS, build_candidate, build_front
from tests.search.layered import HEADS, WIDTH, layered_space
from tests.search.toy_run import toy_profile

FEATURES, OF_ATTENTION, OF_LAYER, REST = HEADS * WIDTH, 7, 11, 1000
LAYERS = 3
SPACE = layered_space(LAYERS)


@cache
def profile(layers: int = LAYERS) -> HardwareProfile:
    """Of a space like a transformer's; a linear has as many parameters as its matrices, four bytes each or one."""
    space = layered_space(layers)
    operations: dict[tuple[str, str], OperationCost] = {}

    def add(path: str, chosen: Settings, parameters: int) -> None:
        size = parameters * (1 if "bits" in chosen else 4)
        found = OperationCost(path, dict(chosen), Timing.of([1.0], seed=0), 1, 1, parameters, size, 1)
        operations[path, settings_key(chosen)] = found

    full = weights({})
    for site in space.states:
        for state in site.states:
            if "skipped" not in state.effective and site.path.endswith(("q", "o", "f")):
                add(site.path, state.effective, weights(state.effective))
    for layer in range(layers):
        for heads in range(1, HEADS + 1):
            chosen = {"heads": heads} if heads < HEADS else {}
            add(f"layer.{layer}.a", chosen, OF_ATTENTION + 2 * heads * WIDTH * FEATURES)
        add(f"layer.{layer}", {}, OF_LAYER + OF_ATTENTION + 3 * full)
        add(f"layer.{layer}", {"skip": "attention"}, OF_LAYER + full)
    choices = {site.path: [c for c in space.choices if c.site.path == site.path] for site in space.sites}
    sites = {
        site.path: SiteUse(
            site.signature, site.shape, site.path, 1, space.reductions.get(site.path, ()),
            {choice.method: [dict(s) for s in choice.settings] for choice in choices[site.path]},
        )
        for site in space.sites
    }  # fmt: skip
    toy = toy_profile("laptop")
    total = REST + layers * (OF_LAYER + OF_ATTENTION + 3 * full)
    original = replace(toy.original, parameters=total, size_mb=4 * total / 1e6)
    calibration = replace(toy.calibration, per_call_ms=dict.fromkeys(("blocks", "heads", "low_rank", "bits"), 0.0))
    return replace(toy, operations=tuple(operations.values()), sites=sites, original=original, calibration=calibration)


def weights(chosen: Settings) -> int:
    rows, columns = int(chosen.get("out", FEATURES)), int(chosen.get("in", FEATURES))
    return int(chosen["rank"]) * (rows + columns) if "rank" in chosen else rows * columns


def random_plan(seed: int, space: Space = SPACE) -> Plan:
    return space.random(random.Random(seed))


def front_of(plans: list[Plan]) -> Front:
    found = [
        build_candidate(plan, latency_ms=1.0 + number, validation=0.8 + 0.01 * number, on_front=True)
        for number, plan in enumerate(plans)
    ]
    return build_front(tuple(found), budgets=NO_BUDGETS)


def losses_of_settings(layers: int = LAYERS) -> Significance:
    """A fifth of a nat by the amount that is kept, the first and the last setting measured."""
    choices = layered_space(layers).choices
    amounts = {c.name: [v for s in c.settings for v in s.values()] for c in choices}
    losses = {
        name: [*(0.2 / v if isinstance(v, int) else 0.2 for v in values), 0.0] for name, values in amounts.items()
    }
    return Significance(losses, {name: [0, len(values) - 1] for name, values in amounts.items()}, None)
