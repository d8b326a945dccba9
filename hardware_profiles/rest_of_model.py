"""What a model reads between two passes through the same modules: so that an operation is timed as it runs in a model.

A large model reads more than the caches hold, and every layer's weights come from memory; a small one's stay. Passed
through again and again, linears of a large model come out a third too fast; timed right after other operations, those
of a small one a third too slow.
"""

import numpy as np
from transformers import PreTrainedModel

from greenfront.hardware_profiles.operations import Operation, Operations
from greenfront.hardware_profiles.runtime import Runtime
from greenfront.hardware_profiles.sampling import Run

_LINE = 64
"""Bytes that come into a cache at once."""


class RestOfModel:
    """Reads as many bytes as the weights that a model has elsewhere, were all of it compressed as one operation is."""

    def __init__(self, model: PreTrainedModel, operations: Operations, runtime: Runtime) -> None:
        table = model.get_input_embeddings()  # of which a query reads some rows
        whole = runtime.weight_bytes(model) - (0 if table is None else runtime.weight_bytes(table))
        self._weights = np.ones(max(whole, 1), dtype=np.uint8)
        self._dense = {o.group.name: o.holding.bytes for o in operations.measured.values() if not o.settings}

    def read(self, operation: Operation, chain: int) -> Run:
        """What comes between two passes through a chain of so many modules of an operation."""
        holds, held = operation.holding.bytes, self._dense.get(operation.group.name, 0)
        share = holds / held if held else 1.0
        elsewhere = self._weights[: max(round(share * len(self._weights)) - chain * holds, 0)]
        return elsewhere[::_LINE].sum
