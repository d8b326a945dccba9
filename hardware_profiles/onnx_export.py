"""Modules as ONNX graphs: what is measured in ONNX Runtime is what `greenfront export --onnx` writes.

The legacy exporter records a module; it takes 0.25 s for MiniLM-L6 where the dynamo one takes 5 s. Its weights are
inputs of the recording, because the exporter copies constants several times (0.7 s), and become initializers of the
graph afterwards.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.jit import TracerWarning  # type: ignore[attr-defined]  # public, but not in its __all__
from torch.utils import _pytree as pytree
from transformers import PreTrainedModel

from greenfront.errors import MeasureError
from greenfront.hardware_profiles.onnx_attention import explicit_attention
from greenfront.hardware_profiles.onnx_quantization import rounded_products
from greenfront.hardware_profiles.runtime import first_line
from greenfront.spaces.answers import answer_tensors

OPSET = 17
LARGEST_BYTES = 2**31 - 1
"""Of one ONNX file: protocol buffers end there."""
_TRACED_BATCH, _TRACED_TOKENS = 2, 16


@dataclass(frozen=True)
class OnnxGraph:
    """A recorded module: its graph, in which the weights are declared, and their values by their paths."""

    graph: bytes
    inputs: tuple[str, ...]
    weights: Mapping[str, Tensor]
    module_name: str

    def of(self, module: nn.Module) -> "OnnxGraph":
        """The graph of a module that differs from the recorded one in the values of its weights alone."""
        values = _weights(module)
        return replace(self, weights={path: values[path] for path in self.weights})

    def linked(self) -> bytes:
        """The model with its weights left outside, to be given to the session by name."""
        model = self._model()
        for tensor in model.graph.initializer:
            if tensor.name in self.weights:
                tensor.data_location = tensor.EXTERNAL
                tensor.external_data.add(key="location", value="memory")
        return bytes(model.SerializeToString())

    def save(self, path: Path) -> None:
        """The model with its weights, in one file.

        Raises:
            MeasureError: weights of more than 2.1 GB.
        """
        size = len(self.graph) + sum(value.numel() * value.element_size() for value in self.weights.values())
        if size > LARGEST_BYTES:
            raise MeasureError(
                f"{self.module_name}: one ONNX file holds at most 2.1 GB, but it has {size / 1e9:.1f} GB"
            )
        model = self._model()
        for tensor in model.graph.initializer:
            if tensor.name in self.weights:
                values = self.weights[tensor.name].contiguous().flatten().view(torch.uint8)
                tensor.raw_data = values.numpy().tobytes()
        path.write_bytes(model.SerializeToString())

    def _model(self) -> Any:
        """The graph with the weights among its initializers instead of its inputs, still without values."""
        import onnx

        model = onnx.load_from_string(self.graph)
        declared = list(model.graph.input)
        del model.graph.input[:]
        model.graph.input.extend(value for value in declared if value.name in self.inputs)
        for value in declared:
            if value.name in self.weights:
                kind = value.type.tensor_type
                model.graph.initializer.add(
                    name=value.name, data_type=kind.elem_type, dims=[size.dim_value for size in kind.shape.dim]
                )
        return model


def record(
    module: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    dynamic: Mapping[str, Mapping[int, str]] | None = None,
) -> OnnxGraph:
    """The graph of a module on these inputs: all tensors among them, however nested, are the graph's inputs.

    `dynamic` says which axes of which inputs and outputs may have any size.

    Raises:
        MeasureError: an operator that ONNX hasn't, or whatever else the exporter says.
    """
    import onnx

    leaves, structure = pytree.tree_flatten((tuple(args), dict(kwargs)))
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    names = list(names or (f"input_{place}" for place in range(len(tensors))))
    weights = _weights(module)
    recorded = _Recorded(module, leaves, structure)
    file = BytesIO()
    try:
        with _quiet(), torch.no_grad(), explicit_attention(), rounded_products():
            torch.onnx.export(
                recorded, (*tensors, *weights.values()), file,  # type: ignore[arg-type]  # writes to files in memory, too
                input_names=[*names, *weights], output_names=outputs,
                dynamic_axes=dynamic, dynamo=False, opset_version=OPSET, do_constant_folding=False,
            )  # fmt: skip
    except Exception as error:  # the exporter raises what it likes about operators that it doesn't know
        raise MeasureError(f"{_name(module)} can't be exported to ONNX: {first_line(error)}") from error
    graph = file.getvalue()
    read = {name for node in onnx.load_from_string(graph).graph.node for name in node.input}
    used = {path: value for path, value in weights.items() if path in read}
    return OnnxGraph(graph, tuple(names), used, _name(module))


def record_model(model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> OnnxGraph:
    """The graph of a whole model, for keyword inputs like these of any batch size and any length.

    Recorded on two short inputs: the graph is the same, and sooner there. They end as the given ones do: where a head
    reads its answer at the end token, there has to be one.

    Raises:
        MeasureError: an operator that ONNX hasn't, or whatever else the exporter says.
    """
    axes = {name: {0: "batch", 1: "length"} if value.dim() == 2 else {0: "batch"} for name, value in inputs.items()}
    short = {name: _shortened(value) if value.dim() == 2 else value for name, value in inputs.items()}
    traced = {name: value[:1].repeat(_TRACED_BATCH, *[1] * (value.dim() - 1)) for name, value in short.items()}
    with torch.inference_mode():
        answers = answer_tensors(model, traced)
    for name, value in answers.items():
        by_token = value.dim() == 3 or name != "logits"
        axes[name] = {0: "batch", 1: "length"} if by_token else {0: "batch"}
    return record(_Answers(model), (), traced, names=list(inputs), outputs=list(answers), dynamic=axes)


def export_onnx(model: PreTrainedModel, inputs: Mapping[str, Tensor], path: Path) -> None:
    """Write a model as one ONNX file, for keyword inputs like these of any batch size and any length.

    Raises:
        MeasureError: an operator that ONNX hasn't, or weights of more than 2.1 GB.
    """
    record_model(model, inputs).save(path)


def _shortened(value: Tensor) -> Tensor:
    """(B, L) -> (B, 16): the first ones and the last one; as it is where it isn't longer."""
    kept = _TRACED_TOKENS - 1
    return value if value.shape[1] <= kept else torch.cat([value[:, :kept], value[:, -1:]], dim=1)


class _Recorded(nn.Module):
    """A module as a function of the tensors among its inputs and of its weights; returns the tensors it returns.

    The module stands in a tuple, where the exporter finds no weights to copy.
    """

    def __init__(self, module: nn.Module, leaves: Sequence[Any], structure: pytree.TreeSpec) -> None:
        super().__init__()
        self.train(False)
        self._hidden = (module, leaves, structure)

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        module, leaves, structure = self._hidden
        given = iter(values)
        filled = [next(given) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        args, kwargs = pytree.tree_unflatten(filled, structure)
        with _replaced(module, list(given)):
            returned = module(*args, **kwargs)
        return tuple(leaf for leaf in pytree.tree_leaves(returned) if isinstance(leaf, Tensor))


class _Answers(nn.Module):
    """A model that returns its logits alone, or those of a span's start and end."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.train(False)
        self.model = model

    def forward(self, **inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(answer_tensors(self.model, inputs).values())


def _name(module: nn.Module) -> str:
    return type(module.model if isinstance(module, _Answers) else module).__name__


def _places(module: nn.Module) -> Iterator[tuple[str, dict[str, Any], str, Tensor]]:
    """Every place that holds a parameter or a buffer: its path, the dictionary it stands in, its key there."""
    for path, part in module.named_modules():
        for holder in (part._parameters, part._buffers):
            for key, tensor in holder.items():
                if tensor is not None:
                    yield f"{path}.{key}".lstrip("."), holder, key, tensor


def _weights(module: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer once, by the first path that leads to it."""
    first: dict[int, str] = {}
    for path, _, _, tensor in _places(module):
        first.setdefault(id(tensor), path)
    return {path: tensor.detach() for path, _, _, tensor in _places(module) if first[id(tensor)] == path}


@contextmanager
def _replaced(module: nn.Module, values: Sequence[Tensor]) -> Iterator[None]:
    """Other tensors in the places of a module's weights, in the order of `_weights`, as long as this lasts."""
    places = list(_places(module))
    value_of: dict[int, Tensor] = {}
    given = iter(values)
    for _, _, _, tensor in places:
        if id(tensor) not in value_of:
            value_of[id(tensor)] = next(given)
    try:
        for _, holder, key, tensor in places:
            holder[key] = value_of[id(tensor)]
        yield
    finally:
        for _, holder, key, tensor in places:
            holder[key] = tensor


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says about its own future, and about Python code that it records once."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, TracerWarning):
            warnings.simplefilter("ignore", category)
        warnings.filterwarnings("ignore", "Exporting aten::index operator", UserWarning)
        yield
