"""The library's factors, prices, file and errors."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.errors import PlanError, RunError
from greenfront.spaces import Library, Plan, apply_to_module, compress, find_space
from greenfront.spaces.factorization import factorize
from greenfront.spaces.library import dense_weight
from greenfront.spaces.moments import collect
from tests.spaces.architectures import bart, deberta, t5
from tests.spaces.models import CONFIG, LENGTH, VOCABULARY, build, logits, prepared, space_of, text_batch

TABLE = "bert.embeddings.word_embeddings"
QUERY = "bert.encoder.layer.0.attention.self.query"
DENSE = "bert.encoder.layer.1.output.dense"
BATCHES = [text_batch([9, 4, 1], seed=1), text_batch([16, 7], seed=2)]


@pytest.mark.parametrize("builder", [deberta, t5, bart])
def test_models_whose_linears_do_not_all_read_the_input_table(builder: Callable[[], PreTrainedModel]) -> None:
    """Relative positions, or an encoder with a table of its own: gradients have to start elsewhere."""
    model = builder().train(False)
    batch = text_batch([16, 9])
    batch["input_ids"][0, -1] = batch["input_ids"][1, 8] = 2  # the end of a text, where T5 and BART classify
    space = find_space(model, SpaceConfig.model_validate({"methods": ["low_rank"], "low_rank": {"align": 4}}), LENGTH)
    library = Library.compute(model, [batch], space, CONFIG)
    for choice in space.choices:
        assert library.loss(choice.site.path, choice.settings[0]) is not None
    plan = space.plan([len(choice.settings) - 1 for choice in space.choices])
    assert logits(compress(model, plan, library), batch).isfinite().all()


@pytest.mark.parametrize("name", ["bert", "albert", "gpt2"])
def test_the_bias_keeps_the_mean_output(name: str) -> None:
    """On the calibration data, at every rank, for every linear with a bias."""
    model = build(name)
    batch = text_batch([16] * 4, seed=3)  # without padding, so that a mean over everything is the mean
    space = space_of(model)
    library = Library.compute(model, [batch], space, CONFIG)
    for choice in space.choices:
        if choice.site.kind != "linear":
            continue
        seen: list[Tensor] = []
        module = model.get_submodule(choice.site.path)
        with module.register_forward_pre_hook(lambda _, arguments, seen=seen: seen.append(arguments[0])):
            logits(model, batch)
        inputs = torch.cat(seen)
        for settings in (choice.settings[0], choice.settings[-1]):
            changed = apply_to_module(choice.site.path, module, settings, library)
            with torch.no_grad():
                before, after = module(inputs), changed(inputs)
            torch.testing.assert_close(after.mean((0, 1)), before.mean((0, 1)), rtol=1e-3, atol=1e-4)
            assert (after - before).abs().max() > 1e-3


def test_a_linear_without_bias_gets_none() -> None:
    model = build("bert")
    model.get_submodule(QUERY).register_parameter("bias", None)
    library = Library.compute(model, BATCHES, space_of(model), CONFIG)
    assert not library.factors(QUERY, 8).bias.any()
    assert "bias" not in dict(
        apply_to_module(QUERY, model.get_submodule(QUERY), {"rank": 8}, library).named_parameters()
    )


@pytest.mark.parametrize("decomposition", ["two_sided", "input", "plain"])
def test_factors_and_prices_are_those_of_the_moments(decomposition: str) -> None:
    model, options = build("bert"), {"align": 4, "decomposition": decomposition}
    config = SpaceConfig.model_validate({"methods": ["low_rank"], "low_rank": options})
    library = Library.compute(model, BATCHES, find_space(model, config, LENGTH), config, seed=7)
    found = collect(model, [DENSE], BATCHES, seed=7)[DENSE]
    covariance = found.inputs - torch.outer(found.mean, found.mean)
    weigh = {"weigh_inputs": decomposition != "plain", "weigh_outputs": decomposition == "two_sided"}
    weight = dense_weight(model.get_submodule(DENSE))
    spectrum = factorize(weight, covariance, found.gradients, 20, **weigh)
    factors = library.factors(DENSE, 8)
    torch.testing.assert_close(factors.up @ factors.down, spectrum.up[:, :8] @ spectrum.down[:8], rtol=1e-3, atol=1e-4)
    assert library.loss(DENSE, {"rank": 8}) == pytest.approx(float(spectrum.loss[8]), rel=1e-3)


def test_frequent_tokens_are_kept_best() -> None:
    model = build("bert")
    table = model.get_submodule(TABLE)
    space, errors = space_of(model), []
    for frequent in (10, 50):
        counts = torch.zeros(VOCABULARY)
        counts[frequent : frequent + 5] = 1000
        library = Library.compute(model, BATCHES, space, CONFIG, token_counts=counts)
        changed = apply_to_module(TABLE, table, {"rank": 8}, library)
        with torch.no_grad():
            ids = torch.arange(VOCABULARY)
            errors.append((changed(ids) - table(ids)).norm(dim=1))
    assert errors[0][10:15].sum() < 0.5 * errors[1][10:15].sum()
    assert errors[1][50:55].sum() < 0.5 * errors[0][50:55].sum()


def test_loss_falls_with_the_rank_and_is_zero_for_the_original() -> None:
    library = prepared("bert").library
    losses = [library.loss(QUERY, {"rank": rank}) for rank in (4, 8, 12)]
    assert losses == sorted((loss for loss in losses if loss is not None), reverse=True)
    assert losses[-1] is not None
    assert losses[-1] > 0
    assert library.loss(QUERY, {}) == 0.0
    assert library.loss("bert.encoder.layer.0.attention.self", {"linformer": 5, "linformer_positions": 16}) is None


def test_progress_counts_the_sites() -> None:
    model, seen = build("bert"), []
    space = space_of(model)
    Library.compute(model, BATCHES, space, CONFIG, progress=lambda done, total: seen.append((done, total)))
    sites = sum(choice.method in ("embeddings", "low_rank") for choice in space.choices)
    assert seen == [(done, sites) for done in range(1, sites + 1)]


def test_save_and_load(tmp_path: Path) -> None:
    library = prepared("albert").library
    library.save(tmp_path / "deep" / "folder")
    assert [path.name for path in (tmp_path / "deep" / "folder").iterdir()] == ["library.safetensors"]
    loaded = Library.load(tmp_path / "deep" / "folder").tensors()
    assert loaded.keys() == library.tensors().keys()
    for name, tensor in library.tensors().items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)


@pytest.mark.parametrize("content", [None, b"", b"nothing of the kind", b"\x09\0\0\0\0\0\0\0{}"])
def test_an_unreadable_library_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "library.safetensors").write_bytes(content)
    with pytest.raises(RunError, match=r"library\.safetensors.*delete it"):
        Library.load(tmp_path)


def test_a_library_that_lacks_tensors_is_named(tmp_path: Path) -> None:
    tensors = prepared("bert").library.tensors()
    save_file({name: t.contiguous() for name, t in tensors.items() if not name.endswith("/loss")},
              tmp_path / "library.safetensors")  # fmt: skip
    with pytest.raises(RunError, match=r"library\.safetensors"):
        Library.load(tmp_path)


def test_a_missing_module_is_an_error() -> None:
    library = prepared("bert").library
    with pytest.raises(PlanError, match=r"bert\.pooler\.dense.*no decomposition"):
        library.factors("bert.pooler.dense", 4)
    with pytest.raises(PlanError, match=r"bert\.pooler\.dense.*no decomposition"):
        compress(build("bert"), Plan({"bert.pooler.dense": {"rank": 4}}), library)


@pytest.mark.parametrize("rank", [0, -1, 13, 10_000])
def test_a_rank_out_of_range_is_an_error(rank: int) -> None:
    with pytest.raises(PlanError, match=f"{QUERY}.*from 1 to 12, but got {rank}"):
        prepared("bert").library.factors(QUERY, rank)


def test_a_module_that_is_never_called_is_an_error() -> None:
    model = build("bert")
    model.spare = nn.ModuleList([nn.Linear(32, 32)])
    with pytest.raises(PlanError, match=r"spare\.0: the model never called"):
        Library.compute(model, BATCHES, space_of(model), CONFIG)
