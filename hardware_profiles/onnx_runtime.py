"""ONNX Runtime on CPU: what most people deploy there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from transformers import PreTrainedModel

from greenfront.errors import MeasureError
from greenfront.hardware_profiles.onnx_export import OnnxGraph, record, record_model
from greenfront.hardware_profiles.runtime import Runtime, Serve, first_line
from greenfront.hardware_profiles.sampling import Run
from greenfront.hardware_profiles.target import Target


class OnnxRuntime(Runtime):
    """One session a model, all graph optimizations, sequential, inputs and outputs bound once."""

    name: ClassVar[str] = "onnxruntime"
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    requires: ClassVar[tuple[str, ...]] = ("onnxruntime", "onnx")
    extra: ClassVar[str] = "onnx"
    deployed_worker: ClassVar[str] = "greenfront.hardware_profiles.onnx_worker"
    makes_files: ClassVar[bool] = True
    keeps_masks = True

    @classmethod
    def starts_quickly(cls, target: Target) -> bool:
        return True

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        torch.set_num_threads(target.threads)  # records modules
        self._threads = target.threads
        self._served: WeakKeyDictionary[PreTrainedModel, OnnxGraph] = WeakKeyDictionary()

    def prepare(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Run:
        (run,) = self.prepare_chain((module,), args, kwargs)
        return run

    def prepare_chain(
        self, modules: Sequence[nn.Module], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Run, ...]:
        graph = record(modules[0], args, kwargs)
        tensors = [leaf for leaf in pytree.tree_leaves((tuple(args), dict(kwargs))) if isinstance(leaf, Tensor)]
        inputs = dict(zip(graph.inputs, tensors, strict=True))
        return tuple(self._in_memory(graph.of(module))(inputs) for module in modules)

    def deploy(self, model: PreTrainedModel, inputs: Mapping[str, Tensor], checkpoint: Path, folder: Path) -> Path:
        from greenfront.hardware_profiles.onnx_session import save_inputs  # ONNX Runtime is an extra

        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "model.onnx"
        (self._served.get(model) or record_model(model, inputs)).save(path)
        save_inputs({key: value.numpy() for key, value in inputs.items()}, path)
        return path

    def load(self, deployed: Path) -> Serve:
        return self._serve(str(deployed), {}, deployed.name)

    def serve(self, model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> Serve:
        graph = self._served[model] = record_model(model, inputs)  # takes as long as all the rest of deploying it
        return self._in_memory(graph)

    def deployed_bytes(self, deployed: Path) -> int:
        return deployed.stat().st_size

    def _in_memory(self, graph: OnnxGraph) -> Serve:
        return self._serve(graph.linked(), graph.weights, graph.module_name)

    def _serve(self, model: bytes | str, weights: Mapping[str, Tensor], name: str) -> Serve:
        from greenfront.hardware_profiles.onnx_session import bind, open_session

        try:
            arrays = {path: _array(value.contiguous()) for path, value in weights.items()}
            session = open_session(model, self._threads, arrays)
        except Exception as error:  # ONNX Runtime's errors have no base of their own
            raise MeasureError(f"ONNX Runtime can't load {name}: {first_line(error)}") from error

        def serve(inputs: Mapping[str, Tensor]) -> Run:
            try:
                run, arrays = bind(session, {key: value.detach().cpu().numpy() for key, value in inputs.items()})
            except Exception as error:
                raise MeasureError(f"ONNX Runtime can't run {name}: {first_line(error)}") from error
            tensors = tuple(torch.from_numpy(array) for array in arrays)
            outputs = tensors[0] if len(tensors) == 1 else tensors

            def run_and_return() -> Tensor | tuple[Tensor, ...]:
                run()
                return outputs

            return run_and_return

        return serve


def _array(weight: Tensor) -> Any:
    """As `open_session` takes it."""
    return (weight.view(torch.uint16) if weight.dtype == torch.bfloat16 else weight).numpy()
