"""Low rank: the contract, ranks and break-even, the module that replaces linears."""

from typing import Any, ClassVar

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from greenfront.config import SpaceConfig
from greenfront.errors import ConfigError, PlanError
from greenfront.spaces import METHODS, Method, Plan, compress, find_space
from greenfront.spaces.effective import break_even
from greenfront.spaces.modules import LowRankLinear
from tests.spaces.method_contract import MethodContract
from tests.spaces.models import LENGTH, bert, build, prepared


def low_rank(**options: Any) -> SpaceConfig:
    return SpaceConfig.model_validate({"methods": ["low_rank"], "low_rank": options})


class TestContract(MethodContract):
    method: ClassVar[Method] = METHODS["low_rank"]
    models: ClassVar[tuple[str, ...]] = ("bert", "roberta", "albert", "gpt2", "vit")


def test_offers_every_linear_of_the_blocks() -> None:
    model = build("bert")
    offered = {choice.site.path: choice.site for choice in find_space(model, low_rank(align=4), LENGTH).choices}
    linears = {path for path, module in model.named_modules() if isinstance(module, nn.Linear) and ".layer." in path}
    assert set(offered) == linears  # neither pooler nor classifier
    assert offered["bert.encoder.layer.1.intermediate.dense"].shape == (64, 32)


def test_a_conv1d_has_the_shape_of_its_linear() -> None:
    offered = {choice.site.path: choice.site for choice in prepared("gpt2").space.choices}
    assert offered["transformer.h.0.attn.c_attn"].shape == (96, 32)
    assert isinstance(prepared("gpt2").model.get_submodule("transformer.h.0.attn.c_attn"), Conv1D)


@pytest.mark.parametrize("align", [1, 3, 4, 8])
def test_ranks_are_the_aligned_ones_below_break_even(align: int) -> None:
    for choice in find_space(build("bert"), low_rank(align=align), LENGTH).choices:
        rows, columns = choice.site.shape
        dense = rows * columns
        smaller = [rank for rank in range(1, dense) if rank * (rows + columns) < dense and rank % align == 0]
        assert [settings["rank"] for settings in choice.settings] == smaller


def test_ranks_asked_for_are_kept_where_they_save() -> None:
    found = find_space(build("bert"), low_rank(ranks=[20, 6]), LENGTH)
    ranks = {choice.site.path: [s["rank"] for s in choice.settings] for choice in found.choices}
    assert ranks["bert.encoder.layer.0.attention.self.query"] == [6]  # break-even 16
    assert ranks["bert.encoder.layer.0.output.dense"] == [6, 20]  # break-even 21.3


def test_a_rank_that_saves_nowhere_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"space\.low_rank\.ranks.*21\.3.*but got 25"):
        find_space(build("bert"), low_rank(ranks=[8, 25]), LENGTH)


def test_sites_too_small_for_any_rank_are_refused() -> None:
    found = find_space(build("bert"), low_rank(align=20), LENGTH)
    refused = {refusal.path: refusal.reason for refusal in found.refusals}
    assert "break-even of 16" in refused["bert.encoder.layer.0.attention.self.query"]


@pytest.mark.parametrize(("shape", "limit"), [((768, 768), 384), ((768, 3072), 614.4), ((3072, 768), 614.4)])
def test_break_even(shape: tuple[int, int], limit: float) -> None:
    assert break_even(shape) == pytest.approx(limit)


def test_the_rank_at_break_even_is_refused() -> None:
    path = "bert.encoder.layer.0.attention.self.query"
    compress(build("bert"), Plan({path: {"rank": 15}}))
    with pytest.raises(PlanError, match=f"{path}.*break-even of 16, but got 16"):
        compress(build("bert"), Plan({path: {"rank": 16}}))


@pytest.mark.parametrize("bias", [True, False])
def test_low_rank_linear_is_its_dense_equivalent(bias: bool) -> None:
    torch.manual_seed(0)
    linear, inputs = LowRankLinear(6, 5, 3, bias=bias), torch.randn(2, 4, 6)
    torch.testing.assert_close(linear(inputs), nn.functional.linear(inputs, linear.weight, linear.bias))
    assert (linear.bias is not None) == bias
    assert torch.linalg.matrix_rank(linear.weight) == 3


def test_new_modules_take_dtype_mode_and_bias_of_the_old() -> None:
    model = bert().bfloat16().train()
    path = "bert.encoder.layer.0.output.dense"
    module = compress(model, Plan({path: {"rank": 4}})).get_submodule(path)
    assert module.training
    assert {parameter.dtype for parameter in module.parameters()} == {torch.bfloat16}
