import dataclasses

import torch
from transformers import AlbertConfig, AlbertForSequenceClassification

from greenfront.config import SpaceConfig
from greenfront.hardware_profiles import Target, get_runtime
from greenfront.hardware_profiles.timed_model import TimedModel
from greenfront.hardware_profiles.tracing import trace
from greenfront.hardware_profiles.workload import workload
from greenfront.spaces import find_space
from tests.hardware_profiles.tiny import Tiny


def test_every_site_is_seen_with_its_input_shapes(tiny: Tiny) -> None:
    inputs = workload(tiny.model, tiny.target)
    uses = trace(tiny.model, inputs, [site.path for site in tiny.space.sites])
    assert uses.keys() == {site.path for site in tiny.space.sites}
    assert all(use.calls == 1 for use in uses.values())
    assert uses["bert.embeddings.word_embeddings"].shapes == "2x32"
    assert uses["bert.encoder.layer.1.output.dense"].shapes == "2x32x128"
    assert uses["bert.encoder.layer.1.attention.self"].shapes.startswith("2x32x64")


def test_the_captured_inputs_give_the_modules_outputs(tiny: Tiny) -> None:
    path = "bert.encoder.layer.1.attention.self"
    inputs = workload(tiny.model, tiny.target)
    seen: list[torch.Tensor] = []
    module = tiny.model.get_submodule(path)
    handle = module.register_forward_hook(lambda _module, _args, outputs: seen.append(outputs[0]))
    try:
        use = trace(tiny.model, inputs, [path])[path]
    finally:
        handle.remove()
    with torch.no_grad():
        torch.testing.assert_close(module(*use.args, **use.kwargs)[0], seen[0])


def test_no_hook_is_left_behind(tiny: Tiny) -> None:
    trace(tiny.model, workload(tiny.model, tiny.target), [site.path for site in tiny.space.sites])
    assert not any(module._forward_pre_hooks for module in tiny.model.modules())


def test_a_module_never_called_is_left_out(tiny: Tiny) -> None:
    inputs = workload(tiny.model, tiny.target)
    encoder = tiny.model.get_submodule("bert")
    encoder.register_module("unused", torch.nn.Linear(1, 1))
    try:
        assert trace(encoder, inputs, ["unused", "pooler"]).keys() == {"pooler"}
    finally:
        del encoder.unused


def test_a_runtime_that_keeps_masks_sees_the_attention_with_one(tiny: Tiny) -> None:
    path, found = "bert.encoder.layer.1.attention.self", {}
    for name in ("torch", "onnxruntime"):
        target = dataclasses.replace(tiny.target, runtime=name)
        timed = TimedModel.of("tiny", tiny.model, target, get_runtime(name)(target), 0)
        found[name] = timed.uses([path])[path].shapes
        assert timed.inputs["attention_mask"].all()
    assert found == {"torch": "2x32x64", "onnxruntime": "2x32x64 2x1x32x32"}


def test_shared_layers_are_one_module_with_many_calls() -> None:
    config = AlbertConfig(
        hidden_size=32,
        embedding_size=16,
        num_hidden_layers=5,
        num_attention_heads=4,
        intermediate_size=64,
        vocab_size=50,
    )
    model = AlbertForSequenceClassification(config)
    model.train(False)
    inputs = workload(model, Target("here", "cpu", "torch", 1, 1, 16))
    paths = [site.path for site in find_space(model, SpaceConfig(), 16).sites]
    uses = trace(model, inputs, paths)
    calls = {path: use.calls for path, use in uses.items()}
    assert set(calls.values()) == {1, 5}
    assert all(count == 5 for path, count in calls.items() if "albert_layers" in path)
