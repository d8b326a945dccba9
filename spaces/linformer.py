"""Linformer (Wang et al. 2020, 2006.04768, section 4): keys and values projected along the sequence, O(L K) attention.

Retrofitted to a pretrained encoder: the projection starts as row-stochastic average pooling over the valid
tokens, `log(tokens in the slot)` is added to the scores, empty slots are masked, and a learned correction,
zero at first, is added to the pooling. An input with no more valid tokens than slots gets exact attention.

Dimension letters: B batch, H heads, L sequence, D head width, K projected length, N positions of the correction.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.errors import ConfigError, PlanError
from greenfront.spaces.approximation import AttentionMethod, whole_number
from greenfront.spaces.attention import Heads, exact_flops, tracing
from greenfront.spaces.library import Library
from greenfront.spaces.plan import Settings, Value

SHARING = ("none", "key_value", "layerwise")


class LinformerProjection(nn.Module):
    """Projects keys and values of L tokens into K slots.

    `positions` (N) is the resolution of the correction: valid token p of m reads column floor((p + 1/2) N / m),
    so that the same weights serve inputs of any length.
    """

    def __init__(self, length: int, positions: int, *, shared: bool) -> None:
        super().__init__()
        self.length = length
        self.positions = positions
        self.key_correction = nn.Parameter(torch.zeros(length, positions))
        self.value_correction = None if shared else nn.Parameter(torch.zeros(length, positions))

    def forward(self, heads: Heads) -> Tensor | None:
        """(B, H, L, D); inputs of no more tokens than slots are exact."""
        if heads.key.shape[2] <= self.length and not tracing():
            return None
        key, value, bias = self.project(heads.key, heads.value, heads.valid)
        mask = bias.to(heads.query.dtype).expand(heads.query.shape[0], 1, heads.query.shape[2], self.length)
        return F.scaled_dot_product_attention(
            heads.query, key, value, attn_mask=mask, dropout_p=heads.dropout, scale=heads.scale
        )

    def project(self, key: Tensor, value: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Keys and values (B, H, L, D), valid (B, L) or None -> the same (B, H, K, D) and a bias (B, 1, 1, K)."""
        tokens = key.shape[2]
        if valid is None:
            valid = torch.ones(1, tokens, dtype=torch.bool, device=key.device)
        count = valid.sum(1, keepdim=True)  # (B, 1): m
        place = (valid.long().cumsum(1) - 1).clamp(min=0)  # (B, L): p; ONNX sums no booleans
        slot = place * self.length // count.clamp(min=1)
        member = (slot[:, None] == torch.arange(self.length, device=key.device)[:, None]) & valid[:, None]  # (B, K, L)
        members = member.sum(2)
        weights = (member / members.clamp(min=1)[:, :, None]).to(key.dtype)
        # An input that fits into the slots keeps exact attention: one token a slot, no correction.
        scale = torch.where(count > self.length, self.positions / count.clamp(min=1), 0).to(key.dtype)  # (B, 1)
        column = ((2 * place + 1) * self.positions // (2 * count.clamp(min=1))).clamp(max=self.positions - 1)
        scale = (scale * valid)[:, None]  # (B, 1, L)
        bias = torch.where(members > 0, members.clamp(min=1).to(key.dtype).log(), torch.finfo(key.dtype).min)
        key_weights = value_weights = weights + self._correct(self.key_correction, column) * scale
        if self.value_correction is not None:
            value_weights = weights + self._correct(self.value_correction, column) * scale
        return _pool(key_weights, key), _pool(value_weights, value), bias[:, None, None]

    @staticmethod
    def _correct(correction: Tensor, column: Tensor) -> Tensor:
        """The correction (K, N) read at columns (B, L) -> (B, K, L)."""
        return correction[:, column].transpose(0, 1)

    def flops(self, length: int, width: int, *, causal: bool) -> int:
        """Keys and values pooled, then attention to the slots."""
        if length <= self.length:
            return exact_flops(length, length, width)
        return 4 * self.length * length * width + exact_flops(length, self.length, width)

    def extra_repr(self) -> str:
        return f"length={self.length}, positions={self.positions}"


def _pool(weights: Tensor, tokens: Tensor) -> Tensor:
    """Weights (B or 1, K, L), tokens (B, H, L, D) -> slots (B, H, K, D), as one product over all heads."""
    batch, heads, length, width = tokens.shape
    flat = tokens.transpose(1, 2).reshape(batch, length, heads * width)
    return (weights @ flat).view(batch, -1, heads, width).transpose(1, 2)


class Linformer(AttentionMethod):
    """Chooses each attention's projected length."""

    name = "linformer"
    keys = ("linformer", "linformer_positions", "linformer_sharing")
    offered_from = 0
    leaks = "a projected slot mixes all positions"

    def offered(self, space: SpaceConfig, sequence_length: int) -> list[Settings]:
        lengths = _lengths(space.linformer.lengths, sequence_length)
        return [_settings(length, sequence_length, space.linformer.sharing) for length in lengths]

    def approximation(self, path: str, settings: Settings, width: int) -> nn.Module:
        length, positions, sharing = _read(path, settings)
        return LinformerProjection(length, positions, shared=sharing != "none")

    def apply(self, path: str, module: nn.Module, settings: Settings, library: Library | None) -> nn.Module:
        module = super().apply(path, module, settings, library)
        module.linformer_sharing = _read(path, settings)[2]  # type: ignore[assignment]  # read by finish
        return module

    def finish(self, model: PreTrainedModel, paths: list[str]) -> None:
        """Layerwise sharing: the first attention of a length owns the projection, the others only refer to it."""
        super().finish(model, paths)
        owners: dict[tuple[int, int], LinformerProjection] = {}
        for module in (model.get_submodule(path) for path in paths):
            projection = module.approximation
            assert isinstance(projection, LinformerProjection)
            if getattr(module, "linformer_sharing", None) == "layerwise":
                owner = owners.setdefault((projection.length, projection.positions), projection)
                if owner is not projection:
                    del module.approximation
                    # Not a submodule, so that the owner's weights are saved once; deepcopy keeps the tie.
                    setattr(module, "approximation", _Borrowed(owner))  # noqa: B010 - no submodule, by intent


class _Borrowed:
    """Calls a projection that belongs to another module."""

    def __init__(self, owner: LinformerProjection) -> None:
        self.owner = owner

    def __call__(self, heads: Heads) -> Tensor | None:
        outputs: Tensor | None = self.owner(heads)
        return outputs


def _lengths(asked: tuple[int, ...] | None, sequence_length: int) -> list[int]:
    """The lengths to offer, ascending: those asked for, else powers of two from 16 up to half of the sequence."""
    if asked is None:
        return [2**power for power in range(4, 31) if 2 ** (power + 1) <= sequence_length]
    too_long = [length for length in asked if length >= sequence_length]
    if too_long:
        raise ConfigError(
            f"space.linformer.lengths: must be below the sequence length of {sequence_length} tokens, "
            f"but got {', '.join(map(str, too_long))}"
        )
    return sorted(asked)


def _settings(length: int, positions: int, sharing: str) -> dict[str, Value]:
    settings: dict[str, Value] = {"linformer": length, "linformer_positions": positions}
    return settings if sharing == "key_value" else {**settings, "linformer_sharing": sharing}


def _read(path: str, settings: Settings) -> tuple[int, int, str]:
    length, positions = (whole_number(path, settings, key) for key in ("linformer", "linformer_positions"))
    sharing = str(settings.get("linformer_sharing", "key_value"))
    if length >= positions:
        raise PlanError(f"{path}: linformer must be from 1 to {positions - 1} (its positions), but got {length}")
    if sharing not in SHARING:
        raise PlanError(f"{path}: linformer_sharing must be one of {', '.join(SHARING)}, but got {sharing!r}")
    return length, positions, sharing
