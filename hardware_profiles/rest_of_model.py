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
        table = model.get_input_embeddings()
        rows = 0 if table is None else runtime.weight_bytes(table)  # of which a query reads a few
        self._weights = np.ones(max(runtime.weight_bytes(model) - rows, 1), dtype=np.uint8)
        self._dense = {o.group.name: o.holding.bytes for o in operations.measured.values() if not o.settings}
        self._lookups = {g.name for g in operations.groups if any(model.get_submodule(p) is table for p in g.paths)}

    def read(self, operation: Operation, chain: int) -> Run:
        """What comes between two passes through a chain of so many modules of an operation."""
        group, holds = operation.group.name, operation.holding.bytes
        held = self._dense.get(group, 0)
        share = holds / held if held else 1.0
        own = 0 if group in self._lookups else chain * holds
        return self._weights[: max(round(share * len(self._weights)) - own, 0) : _LINE].sum
