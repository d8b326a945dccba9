"""An ONNX file in ONNX Runtime on CPU, and a forward pass on inputs bound once.

Imports NumPy and ONNX Runtime alone: a process that measures memory holds no more than a deployment would.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Array = NDArray[np.generic]
_BFLOAT16 = 16
"""Its number in ONNX."""


def open_session(
    model: bytes | str, threads: int, weights: Mapping[str, Array] | None = None
) -> onnxruntime.InferenceSession:
    """A session for a file's path, or a serialized model that refers to `weights` by name (they are copied).

    Weights of uint16 are the bits of bfloat16, which NumPy hasn't.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Sessions have threads of their own. Waiting for work in a loop, they take it from the session that is being timed:
    # 15.8 instead of 3.9 ms with seven sessions of two threads on two CPUs. One thread has none to wait for.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what it raises says it all
    if weights:
        options.add_external_initializers(list(weights), [_value(array) for array in weights.values()])
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _value(array: Array) -> onnxruntime.OrtValue:
    if array.dtype == np.uint16:
        return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(array, _BFLOAT16)
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


def bind(session: onnxruntime.InferenceSession, inputs: Mapping[str, Array]) -> tuple[Callable[[], None], list[Array]]:
    """A forward pass on these inputs, and the arrays that every pass writes its outputs into.

    Runs the model once, to learn the outputs' shapes: a call then costs the run and no more.
    """
    binding = session.io_binding()
    read = {value.name for value in session.get_inputs()}  # a block that is skipped reads no mask
    kept = {name: np.ascontiguousarray(array) for name, array in inputs.items() if name in read}
    for name, array in kept.items():
        binding.bind_cpu_input(name, array)
    names = [output.name for output in session.get_outputs()]
    for name in names:
        binding.bind_output(name)
    session.run_with_iobinding(binding)
    outputs = [value.numpy().copy() for value in binding.get_outputs()]
    binding.clear_binding_outputs()
    for name, array in zip(names, outputs, strict=True):
        binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)

    def run(_kept: object = (kept, outputs)) -> None:  # the binding itself keeps no array alive
        session.run_with_iobinding(binding)

    return run, outputs


def save_inputs(inputs: Mapping[str, Array], model: Path) -> None:
    """Write one query beside a model's file."""
    np.savez(model.with_suffix(".npz"), allow_pickle=False, **inputs)


def load_inputs(model: Path) -> dict[str, Array]:
    """The query that `save_inputs` wrote."""
    with np.load(model.with_suffix(".npz"), allow_pickle=False) as inputs:
        return dict(inputs)
