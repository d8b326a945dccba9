"""Low rank: a linear as a product of two thin factors (Greenformers' Low-Rank Transformer)."""

from torch import nn
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.errors import PlanError
from greenfront.spaces.library import Library
from greenfront.spaces.method import Choice, Method, Refusal
from greenfront.spaces.modules import LowRankEmbedding, LowRankLinear, assign
from greenfront.spaces.plan import Settings
from greenfront.spaces.ranks import check_rank, rank_choices
from greenfront.spaces.sites import Linear, linear_shape, linear_sites


class LowRank(Method):
    """Chooses each linear's rank."""

    name = "low_rank"
    keys = ("rank",)

    def choices(
        self, model: PreTrainedModel, space: SpaceConfig, sequence_length: int
    ) -> tuple[list[Choice], list[Refusal]]:
        sites = [site for site, _ in linear_sites(model)]
        return rank_choices(sites, self.name, space.low_rank.ranks, space.low_rank.align)

    def owns(self, module: nn.Module) -> bool:
        """Everything but a table, factored or not, whose rank is the method `embeddings`'."""
        return not isinstance(module, nn.Embedding | LowRankEmbedding)

    def check(self, path: str, module: nn.Module, settings: Settings) -> None:
        if not isinstance(module, Linear):
            raise PlanError(
                f"{path}: rank must be set on a linear or an embedding, but this is {type(module).__name__}"
            )
        check_rank(path, settings, linear_shape(module))

    def apply(self, path: str, module: nn.Module, settings: Settings, library: Library | None) -> nn.Module:
        assert isinstance(module, Linear)
        rank, (rows, columns) = int(settings["rank"]), linear_shape(module)
        linear = LowRankLinear(
            columns,
            rows,
            rank,
            bias=module.bias is not None,
            device=module.weight.device if library is None else "meta",
            dtype=module.weight.dtype,
        )
        if library is not None:
            linear.to_empty(device=module.weight.device)  # drawing start values would take longer than slicing
            weights = library.factors(path, rank, getattr(module, "kept", None))
            assign(linear.down.weight, weights.down)
            assign(linear.up.weight, weights.up)
            if module.bias is not None:
                assign(linear.up.bias, module.bias.detach() + weights.bias.to(module.bias))
        return linear
