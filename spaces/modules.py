"""The modules that stand where a compressed one stood: a linear and an embedding in two factors.

Dimension letters: B batch, L sequence, I inputs, O outputs, R rank, V vocabulary, D width.
"""

import torch
from torch import Tensor, nn


class LowRankLinear(nn.Module):
    """`W x + b` (O x I) as `up (down x) + b`, with `down` R x I and `up` O x R: R (I + O) weights instead of I O."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        rank: int,
        *,
        bias: bool,
        device: object = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.rank = rank
        self.down = nn.Linear(in_features, rank, bias=False, device=device, dtype=dtype)
        self.up = nn.Linear(rank, out_features, bias=bias, device=device, dtype=dtype)

    @property
    def weight(self) -> Tensor:
        """The dense equivalent (O x I), for code that looks at a linear's weight instead of calling it."""
        return self.up.weight @ self.down.weight

    @property
    def bias(self) -> Tensor | None:
        """The bias (O) of the dense equivalent, or None."""
        return self.up.bias

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        outputs: Tensor = self.up(self.down(inputs))
        return outputs

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, rank={self.rank}"


class LowRankEmbedding(nn.Module):
    """A table V x D as a table V x R followed by a projection R -> D (ALBERT, Lan et al. 2020, section 3.1)."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        rank: int,
        *,
        padding_idx: int | None = None,
        device: object = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.rank = rank
        self.padding_idx = padding_idx
        self.table = nn.Embedding(num_embeddings, rank, padding_idx, device=device, dtype=dtype)
        self.up = nn.Linear(rank, embedding_dim, bias=False, device=device, dtype=dtype)

    @property
    def weight(self) -> Tensor:
        """The dense equivalent (V x D)."""
        return self.table.weight @ self.up.weight.T

    def forward(self, ids: Tensor) -> Tensor:
        """(B, L) -> (B, L, D)."""
        outputs: Tensor = self.up(self.table(ids))
        return outputs

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}, rank={self.rank}"


def assign(parameter: Tensor, values: Tensor) -> None:
    """Write values into a parameter in its own dtype and device, shape checked by torch."""
    with torch.no_grad():
        parameter.copy_(values)
