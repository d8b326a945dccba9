"""A profile's exact parts on other kinds of model: shared layers, Conv1D, images, attention that can't be hooked."""

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    PreTrainedModel,
    ViTConfig,
    ViTForImageClassification,
)

from greenfront.config import EmbeddingsConfig, LinformerConfig, LowRankConfig, SpaceConfig, WidthConfig
from greenfront.hardware_profiles import HardwareProfile, Target, fingerprint, profile_job
from greenfront.hardware_profiles.assemble import assemble
from greenfront.hardware_profiles.flops import count_flops
from greenfront.hardware_profiles.jobs import Job, MemoryAnswer
from greenfront.hardware_profiles.torch_runtime import TorchRuntime
from greenfront.hardware_profiles.workload import workload
from greenfront.spaces import METHODS, Space, compress, find_space, save_checkpoint

TARGET = Target("here", "cpu", "torch", threads=1, batch_size=2, sequence_length=24, large_batch=4)
MANY_RANKS = SpaceConfig(
    low_rank=LowRankConfig(align=2), embeddings=EmbeddingsConfig(align=2), linformer=LinformerConfig(lengths=(8, 16))
)
"""More settings than are measured: the others are interpolated."""
SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}


JOINT = SpaceConfig(
    methods=("blocks", "heads", "width", "low_rank", "embeddings"), low_rank=LowRankConfig(ranks=(4, 8, 12, 20)),
    embeddings=EmbeddingsConfig(ranks=(4, 8, 12, 20)), width=WidthConfig(amounts=(16, 48, 64, 96)),
)  # fmt: skip
"""Settings that make other modules smaller, at sizes of which some are interpolated."""
EVERY = JOINT.model_copy(update={
    "methods": tuple(METHODS), "bits": (8, "8w", 16), "linformer": LinformerConfig(lengths=(8, 16)), "window": (4,),
    "clustered": (4,), "lsh": (8,), "performer": (8,), "sign_matching": (4,),
})  # fmt: skip
"""And with number formats and every approximation of attention."""
OF_IMAGES = JOINT.model_copy(update={"methods": ("blocks", "heads", "width", "low_rank")})
"""The same without a table of tokens."""


def bert() -> PreTrainedModel:
    return BertForSequenceClassification(BertConfig(**SHAPE, vocab_size=90))


def albert() -> PreTrainedModel:
    return AlbertForSequenceClassification(AlbertConfig(**SHAPE, embedding_size=32, vocab_size=90))


def gpt2() -> PreTrainedModel:
    config = GPT2Config(n_embd=64, n_layer=2, n_head=4, n_positions=32, vocab_size=90, pad_token_id=0)
    return GPT2ForSequenceClassification(config)


def vit() -> PreTrainedModel:
    return ViTForImageClassification(ViTConfig(**SHAPE, image_size=20, patch_size=4))


def deberta() -> PreTrainedModel:
    return DebertaV2ForSequenceClassification(DebertaV2Config(**SHAPE, vocab_size=90))


CASES: tuple[tuple[Callable[[], PreTrainedModel], SpaceConfig], ...] = (
    (albert, MANY_RANKS), (gpt2, MANY_RANKS), (vit, MANY_RANKS), (deberta, MANY_RANKS),
    (bert, JOINT), (gpt2, JOINT), (vit, OF_IMAGES), (bert, EVERY),
)  # fmt: skip
KINDS = {id(MANY_RANKS): "ranks", id(EVERY): "every"}


@pytest.fixture(
    scope="module",
    params=CASES,
    ids=lambda case: f"{case[0].__name__}-{KINDS.get(id(case[1]), 'joint')}",
)
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PreTrainedModel, Space, Path]:
    torch.manual_seed(0)
    make, config = request.param
    model: PreTrainedModel = make()
    model.train(False)
    folder = tmp_path_factory.mktemp("architectures") / "original"
    save_checkpoint(model, folder)
    return model, find_space(model, config, 24), folder


@pytest.fixture(scope="module")
def profile_of(case: tuple[PreTrainedModel, Space, Path], tmp_path_factory: pytest.TempPathFactory) -> HardwareProfile:
    _, space, folder = case
    job = Job(
        "profile", TARGET, {"original": str(folder)}, 0, 0.0, str(tmp_path_factory.mktemp("scratch")), space.to_json()
    )
    with pytest.MonkeyPatch.context() as patch:  # what is tested here doesn't depend on how often something is timed
        patch.setattr(profile_job, "REPETITIONS", 2)
        patch.setattr(profile_job, "LARGE_REPETITIONS", 1)
        answer = profile_job.profile_job(job, TorchRuntime(TARGET), lambda _done, _total: None)
    return assemble(TARGET, fingerprint(), answer, MemoryAnswer(100.0, "VmHWM"), seed=0)


def test_size_parameters_and_flops_are_those_of_the_compressed_model(
    case: tuple[PreTrainedModel, Space, Path], profile_of: HardwareProfile
) -> None:
    model, space, _ = case
    bytes_of = TorchRuntime(TARGET).weight_bytes
    for seed in range(6):
        plan = space.random(random.Random(seed))
        compressed = compress(model, plan)
        compressed.config.use_cache = False
        predicted = profile_of.predict(plan)
        assert predicted.parameters == sum(parameter.numel() for parameter in compressed.parameters())
        assert predicted.flops == count_flops(compressed, (), workload(model, TARGET))
        saved_mb = (bytes_of(model) - bytes_of(compressed)) / 1e6
        assert profile_of.original.size_mb - predicted.size_mb == pytest.approx(saved_mb, abs=1e-9)


def test_all_of_the_space_is_measured(case: tuple[PreTrainedModel, Space, Path], profile_of: HardwareProfile) -> None:
    _, space, _ = case
    profile_of.check_space(space)
    assert len(space.choices) > 3
    assert profile_of.interpolated
    assert all(operation.latency.interval_ms.median > 0 for operation in profile_of.operations)
    assert all(math.isfinite(plan.predicted_ms) for plan in profile_of.calibration.plans)
