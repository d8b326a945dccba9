"""Clustered attention (Vyas et al. 2020, 2007.04825): every query attends to the centroids of K clusters of keys.

Keys are clustered, not queries as in the paper's section 3: on a fine-tuned MiniLM at 512 tokens with 64 clusters
the outputs of all tokens were as close to the exact ones either way, but those of the first token, which a
classifier reads, were twice as close (relative error 0.18 against 0.41), since it keeps its own query.
`log(keys of the cluster)` is added to the scores, so that a centroid weighs as much as the keys it stands for.

One step of k-means, from evenly spaced keys: further ones hardly pay. The error was 0.382, 0.372, 0.368 and 0.366
after 1, 2, 3 and 5 steps, but 0.417 with half the clusters and 2 steps, which take as long as 64 and one.

Dimension letters: B batch, H heads, L sequence, D head width, K clusters.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from greenfront.config import SpaceConfig
from greenfront.spaces.approximation import AttentionMethod, amounts, whole_number
from greenfront.spaces.attention import Heads, exact_flops, tracing
from greenfront.spaces.plan import Settings
from greenfront.spaces.token_blocks import rows


class ClusteredAttention(nn.Module):
    """Exact attention to K centroids of keys; each head has its own."""

    def __init__(self, clusters: int) -> None:
        super().__init__()
        self.clusters = clusters

    def forward(self, heads: Heads) -> Tensor | None:
        """(B, H, L, D); inputs of no more tokens than clusters are exact."""
        if heads.query.shape[2] <= self.clusters and not tracing():
            return None
        query, key, value, valid = heads.query, heads.key, heads.value, heads.valid_tokens()
        # (B, H, K, 2 D + 1); the column of ones counts the members.
        sums = self._members(key, valid) @ torch.cat([key, value, torch.ones_like(key[..., :1])], dim=3)
        count = sums[..., -1:]
        centroids = sums[..., :-1] / count.clamp(min=1)
        bias = torch.where(count > 0, count.clamp(min=1).log(), torch.finfo(count.dtype).min)
        return F.scaled_dot_product_attention(
            query,
            centroids[..., : key.shape[3]],
            centroids[..., key.shape[3] :],
            attn_mask=bias.to(query.dtype).transpose(2, 3).expand(-1, -1, query.shape[2], -1),
            dropout_p=heads.dropout,
            scale=heads.scale,
        )

    def _seeds(self, valid: Tensor, heads: int) -> Tensor:
        """(B, H, K): K valid tokens, evenly spaced from the first on; all of them where there are no more than K."""
        before = valid.long().cumsum(1)  # ONNX sums no booleans
        wanted = torch.arange(self.clusters, device=valid.device) * before[:, -1:] // self.clusters  # (B, K)
        place = (before[:, None] <= wanted[:, :, None]).sum(2).clamp(max=valid.shape[1] - 1)
        return place[:, None].expand(-1, heads, -1)

    def _members(self, key: Tensor, valid: Tensor) -> Tensor:
        """(B, H, K, L): 1 where a valid key's nearest seed is this one, else 0."""
        seeds = rows(key, self._seeds(valid, key.shape[1]))
        closeness = key @ seeds.transpose(2, 3) - seeds.square().sum(3)[:, :, None] / 2  # (B, H, L, K)
        nearest = closeness.argmax(3, keepdim=True).transpose(2, 3)  # (B, H, 1, L)
        none = torch.zeros_like(closeness).transpose(2, 3)
        return none.scatter(2, nearest, valid[:, None, None].to(none.dtype).expand_as(nearest))

    def flops(self, length: int, width: int, *, causal: bool) -> int:
        """Keys compared with the seeds and summed up with values and counts, then attention to the centroids."""
        if length <= self.clusters:
            return exact_flops(length, length, width)
        clustering = 2 * length * self.clusters * (width + 2 * width + 1)
        return clustering + exact_flops(length, self.clusters, width)

    def extra_repr(self) -> str:
        return f"clusters={self.clusters}"


class Clustered(AttentionMethod):
    """Chooses each attention's number of clusters."""

    name = "clustered"
    keys = ("clustered",)
    leaks = "a cluster's centroid mixes all positions"

    def offered(self, space: SpaceConfig, sequence_length: int) -> list[Settings]:
        return amounts("clustered", space.clustered, sequence_length, (16, 8))

    def approximation(self, path: str, settings: Settings, width: int) -> nn.Module:
        return ClusteredAttention(whole_number(path, settings, "clustered"))
