"""The contract of `Method`: every method's tests inherit these, and name the models it has to fit."""

import copy
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.errors import PlanError
from greenfront.spaces import (
    METHODS,
    Choice,
    Method,
    Plan,
    Settings,
    apply_to_module,
    compress,
    load_checkpoint,
    plan_of,
    save_checkpoint,
)
from greenfront.spaces.plan import Value
from tests.spaces.models import CONFIG, LENGTH, Batch, Prepared, batch_for, logits, prepared


def parameters(model: nn.Module) -> int:
    """The number of weights, shared ones counted once."""
    return sum(parameter.numel() for parameter in model.parameters())


def size(model: nn.Module) -> int:
    """Bytes of the weights and buffers."""
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())


def flops(model: PreTrainedModel, model_name: str) -> int:
    """Of one batch; attention is unfused, so that its products are counted too."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        logits(model, batch_for(model_name))
    total: int = counter.get_total_flops()
    return total


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """Those that an optimizer may change."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def output_shapes(model: PreTrainedModel, path: str, batch: Batch) -> list[torch.Size]:
    """What each call of a module gives back while the model reads a batch."""
    shapes: list[torch.Size] = []

    def record(_: nn.Module, __: object, output: Tensor | tuple[Tensor, ...]) -> None:
        shapes.append((output if isinstance(output, Tensor) else output[0]).shape)

    with model.get_submodule(path).register_forward_hook(record):
        assert logits(model, batch).isfinite().all()
    return shapes


def plan_for(choice: Choice, settings: Settings) -> Plan:
    """The Plan with one change."""
    return Plan({choice.site.path: settings})


def state(module: nn.Module) -> dict[str, Tensor]:
    """A copy of every weight and buffer."""
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def assert_same_state(module: nn.Module, before: dict[str, Tensor]) -> None:
    """The module's weights and buffers are those of `before`, bit for bit."""
    after = module.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


class MethodContract:
    """What every compression method promises; see `greenfront.spaces.Method`."""

    method: ClassVar[Method]
    models: ClassVar[tuple[str, ...]]
    config: ClassVar[SpaceConfig] = CONFIG
    out_of_range: ClassVar[tuple[Value, ...]] = (0, -3, 10_000, 4.0, "4")

    def choices(self, model_name: str) -> list[Choice]:
        """One choice for every kind of site: equal signatures behave the same."""
        found = [
            choice for choice in prepared(model_name, self.config).space.choices if choice.method == self.method.name
        ]
        return list({(choice.site.signature, choice.settings[0].get("rank")): choice for choice in found}.values())

    def whole_plan(self, model_name: str) -> tuple[Prepared, Plan]:
        """The cheapest option of this method at every site."""
        ready = prepared(model_name, self.config)
        return ready, ready.space.plan(
            [0 if c.method == self.method.name else len(c.settings) for c in ready.space.choices]
        )

    def test_is_registered_under_its_name(self) -> None:
        assert METHODS[self.method.name] is self.method

    def test_fits_its_models(self, model_name: str) -> None:
        model = prepared(model_name, self.config).model
        choices, refusals = self.method.choices(model, self.config, LENGTH)
        assert choices
        assert all(refusal.reason and refusal.method == self.method.name for refusal in refusals)
        offered = {choice.site.path for choice in choices}
        assert not offered & {refusal.path for refusal in refusals}

    def test_offers_what_check_takes(self, model_name: str) -> None:
        model = prepared(model_name, self.config).model
        choices, _ = self.method.choices(model, self.config, LENGTH)
        for choice in choices:
            assert choice.method == self.method.name
            assert choice.settings
            for settings in choice.settings:
                self.method.check(choice.site.path, model.get_submodule(choice.site.path), settings)
                assert self.method.keys[0] in settings
                assert set(settings) <= set(self.method.keys)

    def test_settings_are_cheapest_first_and_below_the_original(self, model_name: str) -> None:
        model = prepared(model_name, self.config).model
        for choice in self.choices(model_name):
            models = [compress(model, plan_for(choice, settings)) for settings in choice.options]
            by_parameters = [parameters(changed) for changed in models]
            by_flops = [flops(changed, model_name) for changed in models]
            by_size = [size(changed) for changed in models]
            ascending = [costs == sorted(set(costs)) for costs in (by_parameters, by_flops, by_size)]
            assert any(ascending), (choice.name, by_parameters, by_flops, by_size)

    def test_apply_leaves_the_given_module_alone(self, model_name: str) -> None:
        ready = prepared(model_name, self.config)
        for choice in self.choices(model_name):
            path, settings = choice.site.path, choice.settings[0]
            module = ready.model.get_submodule(path)
            before, names = state(module), dict(module.named_modules()).keys()
            changed = apply_to_module(path, module, settings, ready.library)
            assert_same_state(module, before)
            assert dict(module.named_modules()).keys() == names
            assert changed is not module
            if self.method.replaces:
                assert self.method.apply(path, module, settings, ready.library) is not module
                assert_same_state(module, before)

    def test_structure_does_not_depend_on_the_library(self, model_name: str) -> None:
        ready = prepared(model_name, self.config)
        for choice in self.choices(model_name):
            for settings in (choice.settings[0], choice.settings[-1]):
                plan = plan_for(choice, settings)
                filled, empty = compress(ready.model, plan, ready.library), compress(ready.model, plan)
                assert [(n, t.shape, t.dtype) for n, t in filled.state_dict().items()] == [
                    (n, t.shape, t.dtype) for n, t in empty.state_dict().items()
                ]
                assert [(n, type(m)) for n, m in filled.named_modules()] == [
                    (n, type(m)) for n, m in empty.named_modules()
                ]

    def test_outputs_keep_their_shape(self, model_name: str) -> None:
        ready, batch = prepared(model_name, self.config), batch_for(model_name)
        for choice in self.choices(model_name):
            changed = compress(ready.model, plan_for(choice, choice.settings[0]), ready.library)
            # What reads the features that are gone is the first to have the same outputs again.
            path = next((r.path for r in choice.reduces if r.side == "in"), choice.site.path)
            before = output_shapes(ready.model, path, batch)
            assert before
            assert output_shapes(changed, path, batch) == before

    def test_a_built_model_is_smaller_and_different(self, model_name: str) -> None:
        ready, plan = self.whole_plan(model_name)
        built = compress(ready.model, plan, ready.library)
        fewer = parameters(built) < parameters(ready.model) or size(built) < size(ready.model)
        assert fewer or flops(built, model_name) < flops(ready.model, model_name)
        batch = batch_for(model_name)
        assert (logits(built, batch) - logits(ready.model, batch)).abs().max() > 1e-3

    def test_saves_and_loads(self, model_name: str, tmp_path: Path) -> None:
        ready, plan = self.whole_plan(model_name)
        built = compress(ready.model, plan, ready.library)
        with torch.no_grad():  # as after fine-tuning: no new weight at its start value
            for parameter in trainable(built):
                parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
        save_checkpoint(built, tmp_path / "saved")
        loaded = load_checkpoint(tmp_path / "saved")
        assert plan_of(loaded) == plan
        batch = batch_for(model_name)
        torch.testing.assert_close(logits(loaded, batch), logits(built, batch), rtol=1e-5, atol=1e-5)

    def test_survives_deepcopy(self, model_name: str) -> None:
        ready, plan = self.whole_plan(model_name)
        built, batch = compress(ready.model, plan, ready.library), batch_for(model_name)
        copied = copy.deepcopy(built)
        torch.testing.assert_close(logits(copied, batch), logits(built, batch), rtol=0, atol=0)
        before = logits(built, batch)
        with torch.no_grad():
            for parameter in trainable(copied):
                parameter.mul_(1.5)
        torch.testing.assert_close(logits(built, batch), before, rtol=0, atol=0)

    def test_gradients_reach_every_new_weight(self, model_name: str) -> None:
        ready, plan = self.whole_plan(model_name)
        built = compress(ready.model, plan, ready.library)
        old = dict(ready.model.named_parameters()).keys()
        able = {name: parameter for name, parameter in built.named_parameters() if parameter.requires_grad}
        new = {name: parameter for name, parameter in able.items() if name not in old}
        if not new:  # then those of the modules that it changes
            changed = [f"{path}." for path in plan]
            new = {name: p for name, p in able.items() if any(name.startswith(path) for path in changed)}
        assert new
        torch.autograd.backward(torch.logsumexp(built(**batch_for(model_name)).logits, 1).sum())
        for name, parameter in new.items():
            assert parameter.grad is not None, name
            # A key's bias shifts all scores of a query alike: its gradient is zero by right.
            assert parameter.dim() == 1 or parameter.grad.abs().max() > 1e-6, name

    def test_refuses_keys_nobody_reads(self, model_name: str) -> None:
        model = prepared(model_name, self.config).model
        for choice in self.choices(model_name):
            others = [key for other in METHODS.values() if other is not self.method for key in other.keys[1:]]
            for key in ("nonsense", *others):
                with pytest.raises(PlanError, match=f"(?s){choice.site.path}.*{key}"):
                    compress(model, plan_for(choice, {**choice.settings[0], key: 4}))

    def test_refuses_foreign_modules(self) -> None:
        model, (choice, *_) = prepared("bert", self.config).model, self.choices("bert")
        path = "bert.encoder.layer.0.output.LayerNorm"
        with pytest.raises(PlanError, match=f"{path}.*LayerNorm"):
            compress(model, Plan({path: choice.settings[0]}))

    def test_refuses_amounts_out_of_range(self) -> None:
        model, (choice, *_) = prepared("bert", self.config).model, self.choices("bert")
        for amount in self.out_of_range:
            settings = {**choice.settings[0], self.method.keys[0]: amount}
            with pytest.raises(PlanError, match=f"{choice.site.path}.*{self.method.keys[0]}.*{amount}"):
                self.method.check(choice.site.path, model.get_submodule(choice.site.path), settings)
