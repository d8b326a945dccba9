"""greenformer's rule (Cahyawijaya et al. 2021, its `auto_fact`): one global rank, plain SVD, in every linear it fits.

A linear whose break-even rank isn't above it stays whole; embeddings and everything else are left alone.
"""

from transformers import PreTrainedModel

from greenfront.config import LowRankConfig, RunConfig, SpaceConfig
from greenfront.evaluators import TaskData
from greenfront.search.prepare import calibration_batches
from greenfront.search.search_space import search_space
from greenfront.spaces import Library, Plan, Space

KIND = "greenformer"
FIRST = 1_000_000
"""The number of its first trial in a recording: others never come so far."""


def global_rank_plans(space: Space) -> list[Plan]:
    """One plan for every rank that some linear offers, the lowest first."""
    linears = [choice for choice in space.choices if choice.method == "low_rank"]
    ranks = sorted({int(settings["rank"]) for choice in linears for settings in choice.settings})
    offered = {c.site.path: {int(settings["rank"]) for settings in c.settings} for c in linears}
    return [Plan({path: {"rank": rank} for path, own in offered.items() if rank in own}) for rank in ranks]


def plain_library(config: RunConfig, model: PreTrainedModel, data: TaskData) -> Library:
    """Plain SVDs of every linear: neither inputs nor gradients count."""
    low_rank = LowRankConfig(decomposition="plain", align=config.space.low_rank.align)
    plain = config.model_copy(update={"space": SpaceConfig(methods=("low_rank",), low_rank=low_rank)})
    space = search_space(model, plain)
    return Library.compute(model, calibration_batches(data.calibration), space, plain.space, seed=config.search.seed)
