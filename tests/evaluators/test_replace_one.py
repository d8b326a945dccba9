"""Replace-one scores: a partial pass says what a whole one does, on every architecture, and leaves no trace."""

import copy
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    BertConfig,
    ElectraConfig,
    ElectraForSequenceClassification,
    PreTrainedModel,
)
from transformers.modeling_outputs import SequenceClassifierOutput

from greenfront.errors import PlanError
from greenfront.evaluators import kl_divergence
from greenfront.evaluators.recorded_pass import first_call, logits_from, logits_of, record
from greenfront.evaluators.replace_one import divergences, replays
from greenfront.spaces import Library, Plan, Space, compress
from greenfront.spaces.sharing import block_paths, blocks_of, compress_sharing
from tests.spaces.architectures import bart, distilbert, modernbert
from tests.spaces.models import BUILDERS, CONFIG, SIZES, Batch, batch_for, build, randomized, space_of


def electra() -> PreTrainedModel:
    """Its embeddings are narrower than its blocks."""
    return ElectraForSequenceClassification(ElectraConfig(**SIZES, embedding_size=16))


def eager_bert() -> PreTrainedModel:
    """Its masks are added to the scores."""
    model = BUILDERS["bert"]()
    model.set_attn_implementation("eager")
    return model


ARCHITECTURES: dict[str, Callable[[], PreTrainedModel]] = {
    **BUILDERS, "distilbert": distilbert, "electra": electra, "modernbert": modernbert, "bart": bart,
    "eager bert": eager_bert,
}  # fmt: skip


def made(name: str) -> PreTrainedModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = randomized(ARCHITECTURES[name]())
    if name == "bart":  # its own draw is so narrow that nothing matters
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() == 2:
                    parameter.mul_(15)
    return model


def batches_for(name: str) -> list[Batch]:
    found = [batch_for(name, seed=seed) for seed in (1, 2)]
    if name == "bart":
        for batch in found:
            batch["input_ids"][:, 0] = 2  # it classifies by the end token
    return found


def whole_pass(model: PreTrainedModel, plan: Plan, library: Library | None, batches: list[Batch]) -> float:
    """The oracle: everything is built, everything is run."""
    reference = np.concatenate([logits_of(model, batch) for batch in batches])
    changed = compress(model, plan, library)
    return float(kl_divergence(reference, np.concatenate([logits_of(changed, batch) for batch in batches])).mean())


def single_changes(space: Space, seed: int) -> list[Plan]:
    rng = random.Random(seed)
    return [Plan({choice.site.path: rng.choice(choice.settings)}) for choice in space.choices]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_partial_passes_say_what_whole_ones_do(name: str) -> None:
    model, batches = made(name), batches_for(name)
    space = space_of(model)
    library = Library.compute(model, batches, space, CONFIG)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    modules, config = dict(model.named_modules()), copy.deepcopy(model.config)
    singles = single_changes(space, seed=0)
    pairs = [Plan({**one, **other}) for one, other in zip(singles, singles[3:], strict=False)]
    plans = [*singles, *pairs, Plan()]
    found = divergences(model, plans, library, batches)
    expected = [whole_pass(model, plan, library, batches) for plan in plans]
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-9)
    assert max(expected) > 1e-4
    assert found[-1] == 0.0
    assert dict(model.named_modules()) == modules
    assert model.config.to_dict() == config.to_dict()
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("name", ["bert", "gpt2", "vit"])
def test_layers_before_the_change_are_not_run(name: str) -> None:
    model, batch = made(name), batches_for(name)[0]
    recorded = record(model, batch)
    blocks = block_paths(model)
    assert [path for path, _ in recorded.calls] == blocks
    site = next(c.site.path for c in space_of(model).choices if c.site.path.startswith(blocks[1]))
    changed = compress_sharing(model, Plan({site: {"rank": 4}}))
    called: list[str] = []
    for path in blocks:
        changed.get_submodule(path).register_forward_hook(lambda *_, path=path: called.append(path))
    skipped = first_call(recorded, blocks_of(model, [site])[site])
    assert skipped == 1
    logits_from(changed, recorded, skipped)
    assert called == blocks[1:]
    called.clear()
    logits_of(changed, batch)
    assert called == blocks


def test_only_the_changed_block_is_built() -> None:
    model = made("bert")
    changed = compress_sharing(model, Plan({"bert.encoder.layer.1.output.dense": {"rank": 4}}))
    own = {id(parameter) for parameter in model.parameters()}
    new = [name for name, parameter in changed.named_parameters() if id(parameter) not in own]
    assert new
    assert all(name.startswith("bert.encoder.layer.1.") for name in new)
    assert changed.get_submodule("bert.encoder.layer.0") is model.get_submodule("bert.encoder.layer.0")


def test_a_change_outside_of_the_blocks_runs_everything() -> None:
    model, batches = made("bert"), batches_for("bert")
    plan = Plan({"bert.embeddings.word_embeddings": {"rank": 4}})
    space = space_of(model)
    library = Library.compute(model, batches, space, CONFIG)
    assert blocks_of(model, plan) == {"bert.embeddings.word_embeddings": []}
    assert divergences(model, [plan], library, batches) == pytest.approx([whole_pass(model, plan, library, batches)])


def test_a_module_at_two_places_is_changed_at_both_and_the_original_keeps_its_own() -> None:
    model, batches = made("bert"), batches_for("bert")
    first, second = (f"bert.encoder.layer.{layer}.output.dense" for layer in (0, 1))
    model.set_submodule(second, model.get_submodule(first))
    shared = model.get_submodule(first)
    plan = Plan({first: {"rank": 4}})
    changed = compress_sharing(model, plan)
    assert changed.get_submodule(first) is changed.get_submodule(second)
    assert model.get_submodule(first) is model.get_submodule(second) is shared
    library = Library.compute(model, batches, space_of(model), CONFIG)
    assert divergences(model, [plan], library, batches) == pytest.approx([whole_pass(model, plan, library, batches)])


class Block(nn.Module):
    """Reads what the first block noted, beside what the one before gave."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(16, 16)

    def forward(self, hidden: torch.Tensor, notes: dict[str, torch.Tensor]) -> torch.Tensor:
        first = notes.setdefault("first", hidden)
        outputs: torch.Tensor = self.dense(hidden) + first
        return outputs


class Talkative(PreTrainedModel):
    """A model whose blocks talk to each other beside their outputs."""

    config_class = BertConfig

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.layers = nn.ModuleList([Block(), Block(), Block()])
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(self, values: torch.Tensor) -> SequenceClassifierOutput:
        notes: dict[str, torch.Tensor] = {}
        for layer in self.layers:
            values = layer(values, notes)
        return SequenceClassifierOutput(logits=values)


def test_blocks_that_talk_beside_their_outputs_are_all_run() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Talkative(BertConfig())
        batch = {"values": torch.randn(4, 16)}
    recorded = record(model, batch)
    plan = Plan({"layers.2.dense": {"rank": 4}})
    space = space_of(model, CONFIG.model_copy(update={"methods": ("low_rank",)}))
    library = Library.compute(model, [batch], space, CONFIG)
    expected = whole_pass(model, plan, library, [batch])
    wrong = logits_from(compress_sharing(model, plan, library), recorded, 2)
    assert float(kl_divergence(recorded.logits, wrong).mean()) != pytest.approx(expected, rel=1e-3)
    assert not replays(model, recorded)
    assert replays(made("bert"), record(made("bert"), batches_for("bert")[0]))
    assert divergences(model, [plan], library, [batch]) == pytest.approx([expected])


def test_examples_count_by_what_they_stand_for() -> None:
    model, batches = made("bert"), batches_for("bert")
    plans = [Plan({"bert.encoder.layer.1.attention.self": {"linformer": 2, "linformer_positions": 16}})]
    single = [divergences(model, plans, None, [batch])[0] for batch in batches]
    sizes = [len(batch["input_ids"]) for batch in batches]
    weights = [3.0 + number for number in range(len(batches))]
    stands_for = np.multiply(weights, sizes)
    for cache_bytes in (1, 2**20):
        (found,) = divergences(model, plans, None, batches, weights=weights, cache_bytes=cache_bytes)
        assert found == pytest.approx(np.dot(stands_for, single) / stands_for.sum())


def test_what_is_kept_of_passes_is_bounded() -> None:
    model, batches = made("bert"), batches_for("bert")
    space = space_of(model)
    library = Library.compute(model, batches, space, CONFIG)
    plans = single_changes(space, seed=1)
    steps: list[tuple[int, int]] = []
    one_by_one = divergences(model, plans, library, batches, cache_bytes=1, progress=lambda *done: steps.append(done))
    assert one_by_one == pytest.approx(divergences(model, plans, library, batches), rel=1e-9)
    total = len(plans) * len(batches)
    assert steps == [(done, total) for done in range(1, total + 1)]
    recorded = record(model, batches[0])
    blocks, logits = 2 * batches[0]["input_ids"].numel() * 32, 4 * 3  # two of width 32; four examples, three classes
    assert recorded.bytes == 4 * (blocks + logits)


def test_modes_are_kept_and_labels_ignored() -> None:
    model, batches = made("bert"), batches_for("bert")
    plan = Plan({"bert.encoder.layer.1.attention.self": {"linformer": 2, "linformer_positions": 16}})
    plain = divergences(model, [plan], None, batches)
    model.train()
    labelled = [{**batch, "labels": torch.zeros(4, dtype=torch.long)} for batch in batches]
    assert divergences(model, [plan], None, labelled) == plain
    assert model.training


def test_answers_that_are_no_numbers_are_infinitely_bad() -> None:
    model, batches = build("bert"), batches_for("bert")
    space = space_of(model)
    library = Library.compute(model, batches, space, CONFIG)
    path = "bert.encoder.layer.1.output.dense"
    tensors = library.tensors()
    tensors[f"{path}/up"] = torch.full_like(tensors[f"{path}/up"], torch.nan)
    broken = Library.from_tensors(tensors)
    assert divergences(model, [Plan({path: {"rank": 4}})], broken, batches) == [float("inf")]


def test_a_plan_that_does_not_fit_is_refused() -> None:
    model, batches = made("bert"), batches_for("bert")
    with pytest.raises(PlanError, match="no such module"):
        divergences(model, [Plan({"bert.encoder.layer.7.output.dense": {"rank": 4}})], None, batches)
    compressed = compress(model, Plan({"bert.encoder.layer.0.output.dense": {"rank": 4}}))
    with pytest.raises(PlanError, match="must be applied to the original"):
        compress_sharing(compressed, Plan({"bert.encoder.layer.1.output.dense": {"rank": 4}}))
