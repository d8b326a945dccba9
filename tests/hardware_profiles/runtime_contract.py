"""What every runtime must do; a runtime's test class inherits `RuntimeContract` and says how to make it."""

from abc import ABC, abstractmethod

import pytest
import torch
from torch import nn

from greenfront.errors import ConfigError
from greenfront.hardware_profiles import RUNTIMES, Runtime


class RuntimeContract(ABC):
    @abstractmethod
    def make(self) -> Runtime:
        """A runtime on a device that every machine has."""

    @pytest.fixture
    def runtime(self) -> Runtime:
        return self.make()

    def test_is_listed_under_its_name(self, runtime: Runtime) -> None:
        assert RUNTIMES[runtime.name] is type(runtime)

    def test_refuses_a_device_it_has_not(self, runtime: Runtime) -> None:
        with pytest.raises(ConfigError, match=r"must be one of.*got 'abacus'"):
            type(runtime)("abacus", 1)

    def test_gives_the_modules_own_outputs_again_and_again(self, runtime: Runtime) -> None:
        module = nn.Sequential(nn.Linear(6, 5), nn.GELU(), nn.Linear(5, 2)).eval()
        inputs = torch.randn(3, 6)
        expected = module(inputs).detach()
        run = runtime.prepare(module, (inputs,), {})
        for _ in range(3):
            outputs = run()
            runtime.synchronize()
            torch.testing.assert_close(torch.as_tensor(outputs).cpu(), expected)

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

    def test_leaves_the_weights_as_they_are(self, runtime: Runtime) -> None:
        module = nn.Linear(4, 4)
        before = {name: weight.clone() for name, weight in module.state_dict().items()}
        runtime.prepare(module, (torch.randn(1, 4),), {})()
        after = module.state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name].cpu()) for name in before)

    def test_does_not_track_gradients(self, runtime: Runtime) -> None:
        outputs = runtime.prepare(nn.Linear(4, 4), (torch.randn(1, 4),), {})()
        assert not torch.as_tensor(outputs).requires_grad

    def test_counts_shared_weights_once(self, runtime: Runtime) -> None:
        module = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
        apart = runtime.weight_bytes(module)
        module[1].weight = module[0].weight
        assert apart - runtime.weight_bytes(module) == 8 * 8 * 4

    def test_reports_a_peak_with_its_source(self, runtime: Runtime) -> None:
        runtime.reset_peak_memory()
        run = runtime.prepare(nn.Linear(4, 4), (torch.randn(1, 4),), {})
        run()
        runtime.synchronize()
        peak = runtime.peak_memory()
        assert peak.megabytes > 0
        assert peak.source
