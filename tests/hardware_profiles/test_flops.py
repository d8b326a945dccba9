import pytest
import torch
from torch import nn
from torch.nn import functional as F

from greenfront.hardware_profiles import Target
from greenfront.hardware_profiles.flops import count_flops
from greenfront.hardware_profiles.workload import workload
from greenfront.spaces import Plan, compress
from tests.hardware_profiles.tiny import tiny_bert


class Attention(nn.Module):
    def forward(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def test_a_fused_multiply_add_is_two_flops() -> None:
    assert count_flops(nn.Linear(10, 7), (torch.randn(3, 5, 10),)) == 2 * 3 * 5 * 10 * 7


def test_a_convolution_is_counted() -> None:
    assert count_flops(nn.Conv2d(3, 4, 2, stride=2), (torch.randn(1, 3, 8, 8),)) == 2 * 4 * 4 * 4 * 3 * 2 * 2


@pytest.mark.parametrize("masked", [False, True])
def test_fused_attention_on_cpu_is_counted(masked: bool) -> None:
    query, key = torch.randn(2, 4, 10, 8), torch.randn(2, 4, 6, 8)
    mask = torch.zeros(2, 1, 10, 6) if masked else None
    assert count_flops(Attention(), (query, key, key), {"mask": mask}) == 2 * 2 * 4 * 10 * 6 * (8 + 8)


def test_a_whole_encoder_is_the_sum_of_its_formulas() -> None:
    batch, length, width, inner, layers = 2, 16, 64, 128, 3
    inputs = workload(tiny_bert(), Target("here", "cpu", "torch", 1, batch, length))
    linears = 2 * batch * length * layers * (4 * width * width + 2 * width * inner)
    attention = 2 * batch * layers * 2 * length * length * width
    pooler_and_head = 2 * batch * (width * width + width * 3)
    assert count_flops(tiny_bert(), (), inputs) == linears + attention + pooler_and_head


def test_a_low_rank_linear_saves_what_its_rank_says() -> None:
    model, path = tiny_bert(), "bert.encoder.layer.0.output.dense"
    inputs = workload(model, Target("here", "cpu", "torch", 1, 1, 16))
    compressed = compress(model, Plan({path: {"rank": 8}}))
    saved = 2 * 16 * (128 * 64 - 8 * (128 + 64))
    assert count_flops(model, (), inputs) - count_flops(compressed, (), inputs) == saved
