"""Which study a configuration asks for: its sampler and its encoding."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from greenfront.config import RunConfig
from greenfront.errors import ConfigError
from greenfront.hardware_profiles import HardwareProfile
from greenfront.hardware_profiles.cost import Cost
from greenfront.search.allocation import Limit, Table
from greenfront.search.allocation_sampler import AllocationSampler
from greenfront.search.encodings import AllocationEncoding
from greenfront.search.limits import cost_axes
from greenfront.search.objectives import objective_names
from greenfront.search.samplers import ALLOCATION, make_sampler
from greenfront.search.study import Study
from greenfront.spaces import Space


def check_sampler(config: RunConfig) -> None:
    """Raise ConfigError for a sampler that there isn't, or that can't do what is asked of it."""
    search, objectives = config.search, config.objectives
    if search.sampler != ALLOCATION:
        make_sampler(search.sampler, search.sampler_options, search.seed, len(objectives))
    elif search.sampler_options:
        raise ConfigError(f"search.sampler_options: {ALLOCATION} takes none, but got {dict(search.sampler_options)}")
    elif "accuracy" not in objectives:
        raise ConfigError(
            f"search.sampler: {ALLOCATION} learns what plans lose, so objectives must have accuracy among them, "
            f"but are {', '.join(objectives)}"
        )


def make_study(
    config: RunConfig,
    space: Space,
    losses: Table,
    profiles: Mapping[str, HardwareProfile],
    reference: Mapping[str, Cost],
    limits: Sequence[Limit],
    journal: Path,
) -> Study:
    """The study of a search, new or continued; `reference` and `limits` as of `budget_limits`.

    Raises:
        RunError: the journal is one of another space or encoding.
    """
    search, names, encoding = config.search, objective_names(config), None
    if ALLOCATION in (search.sampler, search.encoding):
        encoding = AllocationEncoding(space, losses, limits, cost_axes(config, space, profiles, reference))
    if encoding is not None and search.sampler == ALLOCATION:
        learning = AllocationSampler(encoding, learnt=config.objectives.index("accuracy"), seed=search.seed)
        return Study(space, names, learning, journal, encoding)
    sampler = make_sampler(search.sampler, search.sampler_options, search.seed, len(names))
    return Study(space, names, sampler, journal, encoding)
