"""Low rank: a linear or an embedding table as a product of two thin factors (Greenformers' Low-Rank Transformer)."""

from torch import nn
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.errors import ConfigError, PlanError
from greenfront.spaces.effective import break_even
from greenfront.spaces.library import Library
from greenfront.spaces.method import Choice, Method, Refusal, Site
from greenfront.spaces.modules import LowRankEmbedding, LowRankLinear, assign
from greenfront.spaces.plan import Settings
from greenfront.spaces.sites import Linear, embedding_is_tied, embedding_site, linear_shape, linear_sites


class LowRank(Method):
    """Chooses each linear's rank, and the embedding table's."""

    name = "low_rank"
    keys = ("rank",)

    def choices(
        self, model: PreTrainedModel, space: SpaceConfig, sequence_length: int
    ) -> tuple[list[Choice], list[Refusal]]:
        sites = [site for site, _ in linear_sites(model)]
        refusals = []
        embedding = embedding_site(model)
        if embedding is not None and space.low_rank.embeddings:
            if embedding_is_tied(model):
                refusals.append(Refusal(embedding[0].path, self.name, "another layer is tied to this table"))
            else:
                sites.insert(0, embedding[0])
        choices = []
        for site in sites:
            ranks = _ranks(site, space.low_rank.ranks, space.low_rank.align)
            if ranks:
                choices.append(Choice(site, self.name, tuple({"rank": rank} for rank in ranks)))
            else:
                reason = f"no rank offered is below its break-even of {break_even(site.shape):g}"
                refusals.append(Refusal(site.path, self.name, reason))
        asked = space.low_rank.ranks
        highest = max((break_even(site.shape) for site in sites), default=0)
        above = [rank for rank in asked or () if rank >= highest]
        if above and sites:
            raise ConfigError(
                f"space.low_rank.ranks: must be below the break-even of at least one layer, {highest:g} here "
                f"(a higher rank saves nothing), but got {', '.join(map(str, above))}"
            )
        return choices, refusals

    def check(self, path: str, module: nn.Module, settings: Settings) -> None:
        rank = settings.get("rank")
        if not isinstance(rank, int):
            raise PlanError(f"{path}: rank must be a whole number, but got {rank!r}")
        if not isinstance(module, Linear | nn.Embedding):
            raise PlanError(
                f"{path}: rank must be set on a linear or an embedding, but this is {type(module).__name__}"
            )
        limit = break_even(_shape(module))
        if not 1 <= rank < limit:
            raise PlanError(f"{path}: rank must be from 1 to below the break-even of {limit:g}, but got {rank}")

    def apply(self, path: str, module: nn.Module, settings: Settings, library: Library | None) -> nn.Module:
        rank = int(settings["rank"])
        weights = library.factors(path, rank, getattr(module, "kept", None)) if library is not None else None
        if isinstance(module, nn.Embedding):
            table = LowRankEmbedding(
                module.num_embeddings, module.embedding_dim, rank, padding_idx=module.padding_idx,
                device=module.weight.device, dtype=module.weight.dtype,
            )  # fmt: skip
            if weights is not None:
                assign(table.table.weight, weights.down.T)
                assign(table.up.weight, weights.up)
            return table
        assert isinstance(module, Linear)
        rows, columns = linear_shape(module)
        linear = LowRankLinear(
            columns,
            rows,
            rank,
            bias=module.bias is not None,
            device=module.weight.device,
            dtype=module.weight.dtype,
        )
        if weights is not None:
            assign(linear.down.weight, weights.down)
            assign(linear.up.weight, weights.up)
            if module.bias is not None:
                assign(linear.up.bias, module.bias.detach() + weights.bias.to(module.bias))
        return linear


def _ranks(site: Site, asked: tuple[int, ...] | None, align: int) -> list[int]:
    """The ranks to offer, ascending: those asked for, or every multiple of `align`, below break-even."""
    limit = break_even(site.shape)
    ranks = sorted(asked) if asked is not None else range(align, int(limit) + 1, align)
    return [rank for rank in ranks if rank < limit]


def _shape(module: nn.Module) -> tuple[int, int]:
    if isinstance(module, nn.Embedding):
        return module.num_embeddings, module.embedding_dim
    assert isinstance(module, Linear)
    return linear_shape(module)
