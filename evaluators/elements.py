"""The elements of a transformer that can be taken away: attention and feed-forward blocks, heads, groups of neurons.

They are found in one traced forward pass, not by names. An attention is what calls Transformers' attention hook; its
output projection is the linear whose input is not what the attention was given (the last one inside it, else the
first one called after it). The linears that a layer calls after that are its feed-forward block, and the last of
them is the block's output projection. Zeroing what the projection gives takes the block away; zeroing some of what
it reads, a head or a group of neurons.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from transformers import PreTrainedModel

from greenfront.errors import ConfigError
from greenfront.evaluators.layer_trace import LayerTrace, LinearCall, trace_layers
from greenfront.evaluators.recorded_pass import Batch
from greenfront.spaces.library import dense_weight
from greenfront.spaces.sites import head_shape

Kind = Literal["attention", "feed_forward"]
GROUPS = 8
"""Groups of neurons in a feed-forward block: an eighth each, the least active first."""


@dataclass(frozen=True)
class Part:
    """An attention or feed-forward block.

    Attributes:
        path: the attention module, or the feed-forward block's output projection.
        kind: which of the two.
        layer: the number of its layer, in the order in which layers are called.
        block: where that layer stands.
        projection: the linear whose output is what the part adds to the hidden states.
        modules: the paths of its linears.
        children: the input features of the projection that belong to each head or group of neurons.
        parameters: weights of its linears.
        flops: of one example of the traced batch; one fused multiply-add is two FLOPs.
    """

    path: str
    kind: Kind
    layer: int
    block: str
    projection: str
    modules: tuple[str, ...]
    children: tuple[tuple[int, ...], ...]
    parameters: int
    flops: int


def find_parts(model: PreTrainedModel, batch: Batch) -> list[Part]:
    """Every attention and feed-forward block in the order of the layers, from one pass over a batch.

    Raises:
        ConfigError: none was found: the model has no layers, or no attention that calls Transformers' hook.
    """
    parts = [part for n, layer in enumerate(trace_layers(model, batch)) for part in _parts(model, n, layer)]
    if not parts:
        raise ConfigError(
            f"significance analysis must be of a model with layers whose attention calls Transformers' attention hook, "
            f"but {type(model).__name__} has none"
        )
    return parts


def _parts(model: PreTrainedModel, number: int, layer: LayerTrace) -> list[Part]:
    """The attentions of one layer, and what it calls after the projection of the last one."""
    found: list[Part] = []
    taken: set[str] = set()
    for path, end in layer.attentions.items():
        inside = [call for call in layer.calls if call.attention == path]
        outputs = [call for call in inside if not call.given][-1:] or layer.calls[end : end + 1]
        if not outputs:
            continue
        heads, width = head_shape(model.get_submodule(path))
        children = tuple(tuple(range(head * width, (head + 1) * width)) for head in range(heads))
        if heads * width != len(outputs[0].activity):
            children = ()  # it doesn't say how its heads lie
        products = 4 * heads * width * outputs[0].rows ** 2  # queries by keys, weights by values
        calls = [*(call for call in inside if call is not outputs[0]), outputs[0]]
        taken |= {call.path for call in calls}
        found.append(_part(model, number, layer, path, "attention", calls, children, products))
    last = max((place for place, call in enumerate(layer.calls) if call.path in taken), default=len(layer.calls))
    rest = [call for call in layer.calls[last + 1 :] if call.path not in taken]
    if rest:
        norms = dense_weight(model.get_submodule(rest[-1].path)).norm(dim=0)
        groups = (rest[-1].activity * norms).argsort().chunk(GROUPS)
        children = tuple(tuple(group.tolist()) for group in groups)
        found.append(_part(model, number, layer, rest[-1].path, "feed_forward", rest, children, 0))
    return found


def _part(
    model: PreTrainedModel,
    number: int,
    layer: LayerTrace,
    path: str,
    kind: Kind,
    calls: Sequence[LinearCall],
    children: tuple[tuple[int, ...], ...],
    products: int,
) -> Part:
    """A part made of these calls, the last of which is its output projection."""
    sizes = {call.path: dense_weight(model.get_submodule(call.path)).numel() for call in calls}
    return Part(
        path=path,
        kind=kind,
        layer=number,
        block=layer.path,
        projection=calls[-1].path,
        modules=tuple(sizes),
        children=children,
        parameters=sum(sizes.values()),
        flops=products + sum(2 * call.rows * sizes[call.path] for call in calls),
    )


def child_mask(part: Part, features: int, gone: Sequence[int]) -> torch.Tensor:
    """(I,) 0 for the input features of the children that are gone, 1 for the others."""
    mask = torch.ones(features)
    for child in gone:
        mask[list(part.children[child])] = 0
    return mask
