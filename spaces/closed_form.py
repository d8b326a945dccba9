"""FLOPs, parameters and bytes of a Plan in closed form, from what was read once from the original.

One fused multiply-add is two FLOPs. Counted are the products of matrices, as `torch.utils.flop_counter` counts them, of
attention too, exact or approximated.

Dimension letters: B batch, L sequence, F features of all heads.
"""

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from greenfront.spaces.approximation import AttentionMethod
from greenfront.spaces.attention import Approximation, exact_flops
from greenfront.spaces.compression import method_of
from greenfront.spaces.effective import effective, gone
from greenfront.spaces.layouts import attention_layout, output_path
from greenfront.spaces.places import inside
from greenfront.spaces.plan import Plan, Settings, Value
from greenfront.spaces.sites import attention_sites, embedding_site, linear_sites
from greenfront.spaces.space import Space

_ROUNDED: dict[Value, tuple[int, int]] = {8: (1, 2), "8w": (1, 1), 16: (2, 0)}
"""By `bits`: the bytes of a weight, and the float32 numbers beside every row of a linear (`quantized.py`)."""
_FLOAT32 = 4


@dataclass(frozen=True)
class Part:
    """A module that a Plan can change. `shape` is (out, in), (vocabulary, width), or an attention's (key heads, F)."""

    kind: Literal["linear", "embedding", "attention"]
    shape: tuple[int, int]
    bias: bool
    rows: int
    """Tokens that pass it in all its calls."""
    length: int = 0
    """Tokens of an input, of an attention alone."""
    causal: bool = False


@dataclass(frozen=True)
class Original:
    """What the closed form has to know of a model and one batch of its inputs."""

    flops: int
    """Of the batch."""
    parameters: Mapping[str, int]
    """Of every module alone, by its path."""
    parameter_bytes: int
    """Of one parameter."""
    parts: Mapping[str, Part]


@dataclass(frozen=True)
class Footprint:
    """What a Plan leaves of a model.

    `bytes` are those of its parameters, of what rounded ones are scaled with, and of the random directions that
    approximations project on: of all that is kept beside the original's own buffers.
    """

    flops: int
    """Of the batch."""
    parameters: int
    bytes: int


def read_original(model: PreTrainedModel, batch: Mapping[str, Tensor]) -> Original:
    """Read a model by running it once on a batch."""
    seen: Counter[str] = Counter()
    lengths: dict[str, int] = {}
    sites = [site for site, _ in linear_sites(model)]
    table = embedding_site(model)
    sites += [table[0]] if table is not None else []
    # The outputs' linears say how long the sequences are that the attentions before them relate.
    attentions, causal = {}, {}
    for site, module in attention_sites(model):
        layout = attention_layout(site.path, module)
        if not isinstance(layout, str):
            attentions[output_path(site.path, layout)] = (site.path, (layout.heads, layout.heads * layout.unit))
            causal[site.path] = bool(module.is_causal)

    def record(path: str) -> Any:
        def hook(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            shape = arguments[0].shape if arguments[0].is_floating_point() else (*arguments[0].shape, 1)
            seen[path] += arguments[0].numel() // shape[-1]
            if path in attentions:
                seen[attentions[path][0]] += shape[0] * shape[1]
                lengths[attentions[path][0]] = shape[1]

        return hook

    was_training = model.training
    model.train(False)
    with ExitStack() as stack, torch.no_grad():
        stack.callback(model.train, was_training)
        for path in {*(site.path for site in sites), *attentions}:
            stack.callback(model.get_submodule(path).register_forward_pre_hook(record(path)).remove)
        # Fused attention would not be counted.
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        counter = stack.enter_context(FlopCounterMode(display=False))
        model(**batch)
    parts = {}
    for site in sites:
        bias = getattr(model.get_submodule(site.path), "bias", None) is not None
        parts[site.path] = Part(
            "embedding" if site.kind == "embedding" else "linear", site.shape, bias, seen[site.path]
        )
    for path, shape in attentions.values():
        parts[path] = Part("attention", shape, False, seen[path], lengths[path], causal[path])
    known: set[int] = set()
    parameters = {}
    for path, module in model.named_modules():
        own = {id(parameter): parameter.numel() for parameter in module.parameters(recurse=False)}
        parameters[path] = sum(count for key, count in own.items() if key not in known)
        known |= own.keys()
    return Original(counter.get_total_flops(), parameters, next(model.parameters()).element_size(), parts)


def footprint(original: Original, space: Space, plan: Plan) -> Footprint:
    """What a Plan of a space leaves of the model that `original` was read from."""
    skipped = gone(space, plan)
    changed: dict[str, Settings] = {path: s for path, s in effective(space, plan).items() if path in original.parts}
    changed |= {path: {"skipped": 1} for path in original.parts if any(inside(path, prefix) for prefix in skipped)}
    approximations, widths = _approximations(space, changed), {site.path: site.shape[1] for site in space.sites}
    flops, rounded = original.flops, 0
    parameters = sum(
        count for path, count in original.parameters.items() if not any(inside(path, prefix) for prefix in skipped)
    )
    for path, settings in changed.items():
        part = original.parts[path]
        (flops_before, before), (flops_after, after) = _size(part, {}), _size(part, settings)
        if path in approximations and "skipped" not in settings:
            flops_after = _approximated(part, settings, approximations[path], widths[path])
        flops += flops_after - flops_before
        if "skipped" not in settings:
            parameters += after - before
            rounded += _saved_by_rounding(part, settings)
    added = nn.ModuleList(approximations.values())  # which counts what is shared once
    parameters += sum(parameter.numel() for parameter in added.parameters())
    directions = sum(buffer.numel() for buffer in added.buffers())
    return Footprint(flops, parameters, (parameters + directions) * original.parameter_bytes - rounded)


def _size(part: Part, settings: Settings) -> tuple[int, int]:
    """FLOPs and parameters of a part under effective settings."""
    if "skipped" in settings:
        return 0, 0
    if part.kind == "attention":
        heads, features = part.shape
        return exact_flops(part.rows, part.length, features * int(settings.get("heads", heads)) // heads), 0
    rank = settings.get("rank")
    if part.kind == "embedding":
        vocabulary, width = part.shape
        return (
            (0, vocabulary * width)
            if rank is None
            else (2 * part.rows * int(rank) * width, int(rank) * sum(part.shape))
        )
    out, into = int(settings.get("out", part.shape[0])), int(settings.get("in", part.shape[1]))
    weights = out * into if rank is None else int(rank) * (out + into)
    return 2 * part.rows * weights, weights + (out if part.bias else 0)


def _saved_by_rounding(part: Part, settings: Settings) -> int:
    """The bytes that a part's number format saves: of its matrix, or of both its factors."""
    if "bits" not in settings:
        return 0
    weight_bytes, beside = _ROUNDED[settings["bits"]]
    rows, columns = int(settings.get("out", part.shape[0])), int(settings.get("in", part.shape[1]))
    rank, scaled = settings.get("rank"), beside * rows
    weights = rows * columns if rank is None else int(rank) * (rows + columns)
    if part.kind == "embedding":  # a table has a scale for each of its rows, the linear behind its factors the usual
        scaled = rows if rank is None else rows + beside * columns
    elif rank is not None:
        scaled += beside * int(rank)
    return weights * (_FLOAT32 - weight_bytes) - scaled * _FLOAT32


def _approximated(part: Part, settings: Settings, approximation: nn.Module, width: int) -> int:
    """FLOPs of an approximated attention whose heads have this width."""
    key_heads, features = part.shape
    heads = features * int(settings.get("heads", key_heads)) // key_heads // width
    each = cast("Approximation", approximation).flops(part.length, width, causal=part.causal)
    return part.rows // part.length * heads * each


def _approximations(space: Space, changed: Mapping[str, Settings]) -> dict[str, nn.Module]:
    """The approximations of attention that changes bring in, by their paths, without values; shared ones are one."""
    found: dict[str, nn.Module] = {}
    shared: dict[str, nn.Module] = {}
    for site in space.sites:
        settings = {key: value for key, value in changed.get(site.path, {}).items() if key not in ("heads", "skipped")}
        if site.kind == "attention" and settings:
            method = method_of(settings)
            assert isinstance(method, AttentionMethod)
            with torch.device("meta"):
                made = method.approximation(site.path, settings, site.shape[1])
            layerwise = settings.get("linformer_sharing") == "layerwise"
            found[site.path] = shared.setdefault(str(settings), made) if layerwise else made
    return found
