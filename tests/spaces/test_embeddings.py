"""Embeddings: the contract, the ranks of the table, whose rank is whose, and the module that replaces it."""

from typing import Any, ClassVar

import pytest
import torch

from greenfront.config import SpaceConfig
from greenfront.errors import ConfigError, PlanError
from greenfront.spaces import METHODS, Method, Plan, Settings, compress, find_space
from greenfront.spaces.modules import LowRankEmbedding, LowRankLinear
from tests.spaces.architectures import bart, t5, tied_bert, tied_gpt2
from tests.spaces.method_contract import MethodContract
from tests.spaces.models import LENGTH, bert, build

TABLE, DENSE = "bert.embeddings.word_embeddings", "bert.encoder.layer.0.output.dense"


def space(*methods: str, **options: Any) -> SpaceConfig:
    return SpaceConfig.model_validate({"methods": methods or ("embeddings",), "embeddings": options})


class TestContract(MethodContract):
    method: ClassVar[Method] = METHODS["embeddings"]
    models: ClassVar[tuple[str, ...]] = ("bert", "roberta", "albert", "gpt2")


def test_offers_the_table_and_nothing_else() -> None:
    (choice,) = find_space(build("bert"), space(align=4), LENGTH).choices
    assert (choice.site.path, choice.site.kind, choice.site.shape) == (TABLE, "embedding", (100, 32))
    assert [settings["rank"] for settings in choice.settings] == [4, 8, 12, 16, 20, 24]  # break-even 24.2


def test_ranks_of_its_own() -> None:
    config = SpaceConfig.model_validate(
        {"methods": ["low_rank", "embeddings"], "low_rank": {"ranks": [6]}, "embeddings": {"ranks": [20, 3]}}
    )
    found = {choice.site.path: choice.settings for choice in find_space(build("bert"), config, LENGTH).choices}
    assert found[TABLE] == ({"rank": 3}, {"rank": 20})
    assert found[DENSE] == ({"rank": 6},)


def test_a_rank_that_saves_nothing_is_an_error() -> None:
    with pytest.raises(ConfigError, match=rf"space\.embeddings\.ranks.*of {TABLE}, 24\.2.*but got 25"):
        find_space(build("bert"), space(ranks=[8, 25]), LENGTH)


@pytest.mark.parametrize(("method", "settings"), [("embeddings", {"rank": 4}), ("bits", {"bits": 8})])
def test_a_table_that_scales_its_rows_is_refused_by_name(method: str, settings: Settings) -> None:
    model = bart()
    words = "BartScaledWordEmbedding may do more than look rows up"
    (refusal,) = [each for each in find_space(model, SpaceConfig(), LENGTH).refusals if words in each.reason]
    assert refusal.method == "embeddings, bits"
    assert model.get_submodule(refusal.path) is model.get_input_embeddings()
    with pytest.raises(PlanError, match=f"{refusal.path}: {method} must be set on a plain table, but {words}"):
        compress(model, Plan({refusal.path: settings}))
    with pytest.raises(ConfigError, match=rf"space\.methods: embeddings can't be used on Bart.*: {words}"):
        find_space(model, space(), LENGTH)


@pytest.mark.parametrize("builder", [tied_bert, tied_gpt2, t5])
def test_a_tied_table_is_refused_by_name(builder: Any) -> None:
    model = builder()
    found = find_space(model, space("low_rank"), LENGTH)
    assert all(choice.site.kind == "linear" for choice in found.choices)
    found = find_space(model, SpaceConfig(), LENGTH)
    (refusal,) = [refusal for refusal in found.refusals if refusal.method == "embeddings"]
    assert model.get_submodule(refusal.path) is model.get_input_embeddings()
    assert "tied" in refusal.reason
    with pytest.raises(ConfigError, match=r"space\.methods: embeddings can't be used on .*: another layer is tied"):
        find_space(model, space(), LENGTH)


def test_a_model_without_a_table_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"embeddings can't be used on ViTForImage.*no module that fits"):
        find_space(build("vit"), space(), LENGTH)


def test_a_rank_means_the_method_that_owns_the_module() -> None:
    changed = compress(build("bert"), Plan({TABLE: {"rank": 20}, DENSE: {"rank": 20}}))
    assert isinstance(changed.get_submodule(TABLE), LowRankEmbedding)
    assert isinstance(changed.get_submodule(DENSE), LowRankLinear)
    with pytest.raises(PlanError, match=f"{TABLE}.*break-even of 24.2"):
        compress(build("bert"), Plan({TABLE: {"rank": 25}, DENSE: {"rank": 20}}))


def test_low_rank_embedding_is_its_dense_equivalent() -> None:
    torch.manual_seed(0)
    table, ids = LowRankEmbedding(7, 5, 2, padding_idx=0), torch.tensor([[1, 6, 0], [3, 3, 2]])
    torch.testing.assert_close(table(ids), table.weight[ids])
    table(ids).sum().backward()
    assert table.table.weight.grad is not None
    assert not table.table.weight.grad[0].any()  # padding stays untrained, as in the original


def test_the_new_table_takes_dtype_mode_and_padding_of_the_old() -> None:
    table = compress(bert().bfloat16().train(), Plan({TABLE: {"rank": 4}})).get_submodule(TABLE)
    assert table.training
    assert {parameter.dtype for parameter in table.parameters()} == {torch.bfloat16}
    assert table.padding_idx == 0
