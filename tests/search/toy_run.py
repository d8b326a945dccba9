"""A tiny classifier with a hardware profile from a formula, so that a search's parts run without a clock."""

from functools import cache

import torch
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel

from greenfront.config import RunConfig, SpaceConfig, parse_config
from greenfront.hardware_profiles import HardwareProfile, Interval, Target, fingerprint
from greenfront.hardware_profiles.cost import derived
from greenfront.hardware_profiles.fingerprint import Conditions
from greenfront.hardware_profiles.records import Calibration, LargeBatch, OperationCost, SiteUse, Timing
from greenfront.search.allocation import Limit, Table
from greenfront.search.slack import cost_bounds, summed_cost, summed_limit
from greenfront.spaces import Choice, Plan, Settings, Space, find_space

LENGTH = 16
SPACE = SpaceConfig.model_validate({"methods": ["low_rank"], "low_rank": {"ranks": [2, 4, 6]}})
FULL = 8
"""The rank of an unchanged linear, as far as the formulas go."""
MS_PER_RANK = 0.1


@cache
def toy_model() -> PreTrainedModel:
    """A BERT of two layers with random weights, three labels."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, vocab_size=40,
            max_position_embeddings=32, initializer_range=0.3,
        )  # fmt: skip
        config.num_labels = 3
        model = BertForSequenceClassification(config)
    model.train(False)
    return model


def toy_space() -> Space:
    """Every linear of the encoder and the pooler, with ranks 2, 4 and 6."""
    return find_space(toy_model(), SPACE, LENGTH)


def amount(settings: Settings) -> int:
    """The rank of a setting."""
    return int(settings.get("rank", FULL))


def toy_profile(name: str = "toy", space: Space | None = None, ms_per_rank: float = MS_PER_RANK) -> HardwareProfile:
    """Every rank of every site costs 0.1 ms, 100 parameters and 400 bytes; all else costs 1 ms."""
    choices = (space or toy_space()).choices
    operations = [
        OperationCost(
            choice.site.path, dict(settings), Timing.of([ms_per_rank * amount(settings)] * 3, seed=0),
            chain=1, inner=1, parameters=100 * amount(settings), bytes=400 * amount(settings),
            flops=1000 * amount(settings),
        )
        for choice in choices
        for settings in choice.options
    ]  # fmt: skip
    target = Target(name, "cpu", "torch", threads=1, batch_size=1, sequence_length=LENGTH)
    latency = 1.0 + ms_per_rank * FULL * len(choices)
    parameters = 20_000 + 100 * FULL * len(choices)
    return HardwareProfile(
        target=target,
        fingerprint=fingerprint(),
        conditions=Conditions("2026-01-01T00:00:00", 1.0, 0.0, 0.0, 0.0, ()),
        model="BertForSequenceClassification",
        original=derived(
            target, latency_ms=Interval(latency, latency, latency), latency_p90_ms=latency,
            large_batch_latency_ms=target.large_batch * latency, peak_memory_mb=100.0, size_mb=4 * parameters / 1e6,
            parameters=parameters, flops=10 * parameters, energy_j=latency / 1000, energy_source="estimated",
        ),
        original_latency=Timing.of([latency] * 3, seed=0),
        operations=tuple(operations),
        interpolated=(),
        refused=(),
        sites={
            c.site.path: SiteUse(
                c.site.signature, c.site.shape, c.site.path, 1, (), {c.method: [dict(s) for s in c.settings]}
            )
            for c in choices
        },
        calibration=Calibration(1.0, 1.0, {"low_rank": 0.0}, ()),
        error=None,
        large_batch=LargeBatch(float(target.large_batch), 0.0, (), None),
        warnings=(),
    )  # fmt: skip


def toy_losses(space: Space) -> Table:
    """Predicted loss in nats: later sites are worth more."""
    return {choice.name: [toy_loss(number, s) for s in choice.options] for number, choice in enumerate(space.choices)}


def toy_loss(number: int, settings: Settings) -> float:
    """Of one setting at the site with this number."""
    return (number + 1) * (FULL - amount(settings)) ** 2 / 2000


def toy_divergence(space: Space, plan: Plan) -> float:
    """What a candidate is scored as: the sum of its losses, in nats."""
    return sum(toy_loss(number, plan.get(choice.site.path, {})) for number, choice in enumerate(space.choices))


def toy_limits(config: RunConfig, space: Space, profile: HardwareProfile) -> list[Limit]:
    """The cost budgets as limits on summed changes."""

    def limit(name: str) -> Limit:
        bound = cost_bounds(config.budgets)[name]
        cost, most = summed_limit(name, bound, profile.original, profile.target.large_batch)
        most = profile.summed_limit(cost, most) - profile.original.value(cost)
        return Limit(toy_changes(space.choices, profile, name), most)

    return [limit(name) for name in cost_bounds(config.budgets)]


def toy_changes(choices: tuple[Choice, ...], profile: HardwareProfile, name: str) -> Table:
    """What every option changes in the cost called `name`."""
    return {choice.site.path: profile.option_costs(choice, summed_cost(name)) for choice in choices}


def toy_config(output: object, **sections: object) -> RunConfig:
    """A configuration of the toy; `sections` replace these."""
    plain: dict[str, object] = {
        "model": {"path": "toy", "task": "text-classification"},
        "data": {"path": "toy-data"},
        "hardware": {"name": "toy", "sequence_length": LENGTH},
        "space": SPACE.model_dump(exclude_none=True),
        "search": {"trials": 12, "finalists": 4},
        "ray": {"workers": 2},
        "output": str(output),
    }
    return parse_config({**plain, **sections})
