"""Embeddings: the table of tokens as a thin table and a projection (ALBERT, Lan et al. 2020, section 3.1).

Rows count by how often their token stands in the training data: see `Library.compute`.
"""

from torch import nn
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.errors import PlanError
from greenfront.spaces.library import Library
from greenfront.spaces.method import Choice, Method, Refusal
from greenfront.spaces.modules import LowRankEmbedding, assign
from greenfront.spaces.plan import Settings
from greenfront.spaces.ranks import check_rank, rank_choices
from greenfront.spaces.sites import embedding_is_tied, embedding_site, looks_up_and_more, table_refusals


class Embeddings(Method):
    """Chooses the rank of the table that tokens are looked up in."""

    name = "embeddings"
    keys = ("rank",)

    def choices(
        self, model: PreTrainedModel, space: SpaceConfig, sequence_length: int
    ) -> tuple[list[Choice], list[Refusal]]:
        found = embedding_site(model)
        if found is None:
            return [], table_refusals(model, self.name)
        site = found[0]
        if embedding_is_tied(model):
            return [], [Refusal(site.path, self.name, "another layer is tied to this table")]
        return rank_choices([site], self.name, space.embeddings.ranks, space.embeddings.align)

    def owns(self, module: nn.Module) -> bool:
        """A table: the rank of anything else is the method `low_rank`'s."""
        return isinstance(module, nn.Embedding)

    def check(self, path: str, module: nn.Module, settings: Settings) -> None:
        if not isinstance(module, nn.Embedding):
            raise PlanError(f"{path}: embeddings must be set on a table, but this is {type(module).__name__}")
        if reason := looks_up_and_more(module):
            raise PlanError(f"{path}: embeddings must be set on a plain table, but {reason}")
        check_rank(path, settings, (module.num_embeddings, module.embedding_dim))

    def apply(self, path: str, module: nn.Module, settings: Settings, library: Library | None) -> nn.Module:
        assert isinstance(module, nn.Embedding)
        rank = int(settings["rank"])
        table = LowRankEmbedding(
            module.num_embeddings, module.embedding_dim, rank, padding_idx=module.padding_idx,
            device=module.weight.device if library is None else "meta", dtype=module.weight.dtype,
        )  # fmt: skip
        if library is not None:
            table.to_empty(device=module.weight.device)  # drawing start values takes longer than all the rest
            weights = library.factors(path, rank)
            assign(table.table.weight, weights.down.T)
            assign(table.up.weight, weights.up)
        return table
