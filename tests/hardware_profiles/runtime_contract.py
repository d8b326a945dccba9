"""What every runtime must do; a runtime's test class inherits `RuntimeContract` and says how to make it."""

from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from greenfront.errors import ConfigError
from greenfront.hardware_profiles import RUNTIMES, Runtime
from greenfront.hardware_profiles.target import Target
from greenfront.hardware_profiles.timed_model import TimedModel
from greenfront.spaces import save_checkpoint
from tests.hardware_profiles.tiny import tiny_bert


class RuntimeContract(ABC):
    target: Target
    """One that this runtime can be, for one of its devices."""

    @abstractmethod
    def make(self) -> Runtime:
        """The runtime of `target`."""

    @pytest.fixture
    def runtime(self) -> Runtime:
        return self.make()

    def test_is_listed_under_its_name(self, runtime: Runtime) -> None:
        assert RUNTIMES[runtime.name] is type(runtime)

    def test_says_the_versions_of_what_it_requires(self, runtime: Runtime) -> None:
        assert runtime.missing() == []
        assert list(runtime.versions()) == list(runtime.requires)
        assert all(version[0].isdigit() for version in runtime.versions().values())

    def test_refuses_a_device_it_has_not(self, runtime: Runtime) -> None:
        abacus = replace(self.target, device="abacus")
        for refuse in (type(runtime).check, type(runtime)):
            with pytest.raises(ConfigError, match=r"hardware 'here': device must be one of.*got 'abacus'"):
                refuse(abacus)

    def test_gives_the_modules_own_outputs_again_and_again(self, runtime: Runtime) -> None:
        module = nn.Sequential(nn.Linear(6, 5), nn.GELU(), nn.Linear(5, 2)).eval()
        inputs = torch.randn(3, 6)
        expected = module(inputs).detach()
        run = runtime.prepare(module, (inputs,), {})
        for _ in range(3):
            outputs = run()
            runtime.synchronize()
            torch.testing.assert_close(torch.as_tensor(outputs).cpu(), expected)

    def test_gives_several_outputs_in_their_order(self, runtime: Runtime) -> None:
        class Splits(nn.Module):
            def forward(self, whole: torch.Tensor) -> tuple[torch.Tensor, None, torch.Tensor]:
                return whole[:, :1] + 1, None, whole[:, 1:] * 2

        outputs = [value for value in runtime.prepare(Splits(), (torch.ones(2, 3),), {})() if value is not None]
        torch.testing.assert_close([value.cpu() for value in outputs], [2 * torch.ones(2, 1), 2 * torch.ones(2, 2)])

    def test_takes_keyword_inputs_also_nested_and_none(self, runtime: Runtime) -> None:
        class Adds(nn.Module):
            def forward(
                self, one: torch.Tensor, *, pair: tuple[torch.Tensor, torch.Tensor], nothing: None
            ) -> torch.Tensor:
                assert nothing is None
                return one + pair[0] * pair[1]

        ones = torch.ones(2, 2)
        run = runtime.prepare(Adds(), (ones,), {"pair": (2 * ones, 3 * ones), "nothing": None})
        torch.testing.assert_close(torch.as_tensor(run()).cpu(), 7 * ones)

    def test_a_chain_keeps_each_modules_weights(self, runtime: Runtime) -> None:
        modules = [nn.Linear(4, 3).eval() for _ in range(3)]
        inputs = torch.randn(2, 4)
        expected = [module(inputs).detach() for module in modules]
        chain = runtime.prepare_chain(modules, (inputs,), {})
        torch.testing.assert_close([run().cpu() for run in chain], expected)

    def test_leaves_the_weights_as_they_are(self, runtime: Runtime) -> None:
        module = nn.Linear(4, 4)
        before = {name: weight.clone() for name, weight in module.state_dict().items()}
        runtime.prepare(module, (torch.randn(1, 4),), {})()
        after = module.state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name].cpu()) for name in before)
        assert isinstance(module.weight, nn.Parameter)

    def test_does_not_track_gradients(self, runtime: Runtime) -> None:
        outputs = runtime.prepare(nn.Linear(4, 4), (torch.randn(1, 4),), {})()
        assert not torch.as_tensor(outputs).requires_grad

    def test_counts_shared_weights_once(self, runtime: Runtime) -> None:
        module = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
        apart = runtime.weight_bytes(module)
        module[1].weight = module[0].weight
        assert apart - runtime.weight_bytes(module) == 8 * 8 * 4

    def test_a_deployed_model_serves_inputs_of_other_sizes(self, runtime: Runtime, tmp_path: Path) -> None:
        model = tiny_bert()
        checkpoint = tmp_path / "original"
        save_checkpoint(model, checkpoint)
        inputs = {"input_ids": torch.randint(1, 200, (1, 24)), "attention_mask": torch.ones(1, 24, dtype=torch.long)}
        other = {"input_ids": torch.randint(1, 200, (3, 9)), "attention_mask": torch.ones(3, 9, dtype=torch.long)}
        other["attention_mask"][1, 5:] = 0
        deployed = runtime.deploy(model, inputs, checkpoint, tmp_path / "deployed")
        weights = sum(parameter.numel() * 4 for parameter in model.parameters())
        assert weights <= runtime.deployed_bytes(deployed) < 1.2 * weights
        with torch.no_grad():
            expected = [model(**batch).logits for batch in (inputs, other)]
        for serve in (runtime.load(deployed), runtime.serve(model, inputs)):
            runs = [serve(batch) for batch in (inputs, other)]  # both before the first is asked
            for run, logits in zip(runs, expected, strict=True):
                torch.testing.assert_close(_logits(run()).cpu(), logits, atol=1e-4, rtol=0)

    def test_a_timed_model_is_loaded_with_all_its_numbers(self, runtime: Runtime, tmp_path: Path) -> None:
        model = tiny_bert()
        save_checkpoint(model, tmp_path / "original")
        timed = TimedModel.load("tiny", tmp_path / "original", self.target, runtime, 0, tmp_path / "scratch")
        assert timed.deployed is not None
        assert timed.deployed_bytes == runtime.deployed_bytes(timed.deployed)
        assert timed.parameters == sum(parameter.numel() for parameter in model.parameters())
        assert _logits(timed.run()).shape == (self.target.batch_size, 3)
        assert _logits(timed.large_run()).shape == (self.target.large_batch, 3)
        raw = timed.raw([1.0], [2.0], 3.0, "estimated")
        assert (raw.deployed, raw.flops) == (str(timed.deployed), timed.flops)

    def test_a_model_in_memory_is_timed_without_a_file(self, runtime: Runtime) -> None:
        timed = TimedModel.of("tiny", tiny_bert(), self.target, runtime, 0)
        assert (timed.deployed, timed.deployed_bytes) == (None, 0)
        assert _logits(timed.run()).shape == (self.target.batch_size, 3)

    def test_reports_a_peak_with_its_source(self, runtime: Runtime) -> None:
        runtime.reset_peak_memory()
        run = runtime.prepare(nn.Linear(4, 4), (torch.randn(1, 4),), {})
        run()
        runtime.synchronize()
        peak = runtime.peak_memory()
        assert peak.megabytes > 0
        assert peak.source


def _logits(outputs: object) -> torch.Tensor:
    logits = getattr(outputs, "logits", outputs)
    assert isinstance(logits, torch.Tensor)
    return logits
