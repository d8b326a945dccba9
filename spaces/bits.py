"""Bits: linears and embedding tables in int8 or bfloat16, after training."""

import torch
from torch import nn
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.errors import PlanError
from greenfront.spaces.library import Library, dense_weight
from greenfront.spaces.method import Choice, Method, Refusal
from greenfront.spaces.modules import LowRankEmbedding, LowRankLinear
from greenfront.spaces.plan import Settings, Value
from greenfront.spaces.quantized import (
    BFloat16Linear,
    QuantizedEmbedding,
    QuantizedLinear,
    RoundedLinear,
    WeightOnlyLinear,
)
from greenfront.spaces.sites import Linear, embedding_site, is_tied, linear_sites, looks_up_and_more, table_refusals

LINEARS: dict[Value, type[QuantizedLinear | WeightOnlyLinear | BFloat16Linear]] = {
    8: QuantizedLinear, "8w": WeightOnlyLinear, 16: BFloat16Linear
}  # fmt: skip
"""What a linear becomes, cheapest first. A table is looked up, not multiplied: for it there is 8."""
BY_DEFAULT: tuple[Value, ...] = (8,)
"""Neither faster nor smaller, the others pay where 8 loses much: on MiniLM-L6 a linear costs 1e-7 to 3e-4 nats."""


class Bits(Method):
    """Chooses each linear's number format, and the embedding table's: also those of low-rank factors."""

    name = "bits"
    keys = ("bits",)
    trains = False

    def choices(
        self, model: PreTrainedModel, space: SpaceConfig, sequence_length: int
    ) -> tuple[list[Choice], list[Refusal]]:
        asked = BY_DEFAULT if space.bits is None else space.bits
        offered = [bits for bits in LINEARS if bits in asked]
        embedding = embedding_site(model)
        sites = [*([embedding] if embedding is not None else []), *linear_sites(model)]
        choices, refusals = [], table_refusals(model, self.name)
        for site, module in sites:
            values = [bits for bits in offered if bits == 8 or site.kind == "linear"]
            if is_tied(model, module):
                reason = "another layer is tied to its weight"
            elif module.weight.dtype != torch.float32:
                reason = f"its weight is {module.weight.dtype}, not float32"
            elif not values:
                reason = "a table takes 8 bits alone, which aren't offered"
            else:
                choices.append(Choice(site, self.name, tuple({"bits": bits} for bits in values)))
                continue
            refusals.append(Refusal(site.path, self.name, reason))
        return choices, refusals

    def check(self, path: str, module: nn.Module, settings: Settings) -> None:
        bits = settings.get("bits")
        if not isinstance(module, Linear | nn.Embedding):
            raise PlanError(
                f"{path}: bits must be set on a linear or an embedding, but this is {type(module).__name__}"
            )
        if isinstance(module, nn.Embedding) and (reason := looks_up_and_more(module)):
            raise PlanError(f"{path}: bits must be set on a plain table, but {reason}")
        valid = list(LINEARS) if isinstance(module, Linear) else [8]
        if isinstance(bits, float) or bits not in valid:
            raise PlanError(f"{path}: bits must be one of {', '.join(map(str, valid))}, but got {bits!r}")
        if module.weight.dtype != torch.float32:
            raise PlanError(f"{path}: bits must be set on weights of float32, but these are {module.weight.dtype}")

    def apply(self, path: str, module: nn.Module, settings: Settings, library: Library | None) -> nn.Module:
        if not isinstance(module, LowRankLinear | LowRankEmbedding):
            return _rounded(module, settings["bits"])
        for name, factor in list(module.named_children()):  # these are new, and nobody else's
            module.set_submodule(name, _rounded(factor, settings["bits"]))
        return module


def _rounded(module: nn.Module, bits: Value) -> RoundedLinear | QuantizedEmbedding:
    if isinstance(module, nn.Embedding):
        return QuantizedEmbedding(module.weight, module.padding_idx)
    assert isinstance(module, Linear)
    return LINEARS[bits](dense_weight(module), module.bias)
