"""How architectures name the linears of their attentions and feed-forward blocks, so that parts can be removed.

What isn't named here is refused: whether rows may go depends on what a block's code does with them.
"""

from dataclasses import dataclass

from torch import nn
from transformers.pytorch_utils import Conv1D

from greenfront.spaces.sites import Linear, linear_shape

# Query, key and value, or all in one, and the output's linear in the attention, or beside it ("").
_ATTENTIONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("query", "key", "value"), ""),  # BERT, RoBERTa, ELECTRA
    (("query", "key", "value"), "dense"),  # ALBERT
    (("q_lin", "k_lin", "v_lin"), "out_lin"),  # DistilBERT
    (("q_proj", "k_proj", "v_proj"), "o_proj"),  # ViT, Llama
    (("q_proj", "k_proj", "v_proj"), "out_proj"),  # BART
    (("c_attn",), "c_proj"),  # GPT-2
    (("Wqkv",), "Wo"),  # ModernBERT
)
_BESIDE = "output.dense"
_NORM = "LayerNorm"  # ALBERT's, of the residual stream

# The up-projection, what is as wide as it, and the down-projection, all relative to one module.
_FEED_FORWARDS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("intermediate.dense", (), "output.dense"),  # BERT, RoBERTa, ELECTRA
    ("ffn", (), "ffn_output"),  # ALBERT
    ("lin1", (), "lin2"),  # DistilBERT
    ("fc1", (), "fc2"),  # ViT, BART
    ("c_fc", (), "c_proj"),  # GPT-2
    ("up_proj", ("gate_proj",), "down_proj"),  # Llama
    ("Wi", (), "Wo"),  # ModernBERT: up and gate in one
    ("wi", (), "wo"),  # T5
    ("wi_1", ("wi_0",), "wo"),  # T5 1.1
)


@dataclass(frozen=True)
class AttentionLayout:
    """What an attention is made of. Several query heads may share one key head: they stay or go together."""

    projections: dict[str, int]
    """The linears of query, key and value by their names in the attention: features per key head, in one part."""
    parts: int
    """How many parts their outputs have: three where query, key and value are one linear."""
    heads: int
    """Key heads."""
    output: str
    """The output's linear by its name in the attention; "" where it stands beside the attention."""
    unit: int
    """Features per key head that the output's linear reads."""


@dataclass(frozen=True)
class FeedForwardLayout:
    """The linears of a feed-forward block, by their paths in the model."""

    up: str
    gates: tuple[str, ...]
    down: str
    width: int
    """Neurons: the features that `down` reads."""
    parts: int
    """How many parts the outputs of `up` have: two where it is its own gate."""


def attention_layout(path: str, module: nn.Module) -> AttentionLayout | str:
    """The layout of an attention module, or why its heads can't be told apart."""
    if "cross" in type(module).__name__.lower() or any(n in path.lower() for n in ("crossattention", "encoder_attn")):
        return "it is cross-attention, whose keys are another sequence"
    if hasattr(module, "has_relative_attention_bias"):
        return "it adds a position bias of its own for every head"
    linears = {name: child for name, child in module.named_children() if type(child) in (nn.Linear, Conv1D)}
    known = next((k for k in _ATTENTIONS if {*k[0], *([k[1]] if k[1] else [])} == set(linears)), None)
    if known is None:
        return f"the linears of {type(module).__name__} ({', '.join(linears) or 'none'}) are of no known arrangement"
    width = getattr(module, "head_dim", None) or getattr(module, "attention_head_size", None)
    others = [p for name, p in module.named_parameters() if name.split(".")[0] not in {*linears, _NORM}]
    if not width or any(parameter.shape != (width,) for parameter in others):
        return f"{type(module).__name__} has weights beside its linears, or doesn't say how wide its heads are"
    names, output = known
    rows = {name: linear_shape(_linear(linears[name]))[0] for name in names}
    parts = 3 if len(names) == 1 else 1
    heads = rows[names[-1]] // (parts * width)  # of the values
    units = {name: count // (parts * heads) for name, count in rows.items()} if heads else {}
    fits = heads > 0 and all(parts * heads * unit == rows[name] for name, unit in units.items())
    if not fits or any(unit % width for unit in units.values()) or len(set(list(units.values())[1:])) > 1:
        return f"the linears of {type(module).__name__} don't have as many features as its heads"
    return AttentionLayout(units, parts, heads, output, units[names[0]])


def output_path(path: str, layout: AttentionLayout) -> str:
    """Where the linear is that reads the heads of the attention at `path`."""
    return f"{path}.{layout.output}" if layout.output else f"{path.rpartition('.')[0]}.{_BESIDE}"


def feed_forward_layout(model: nn.Module, path: str) -> FeedForwardLayout | None:
    """The feed-forward block whose up-projection stands at `path`, or None where there is none."""
    for up, gates, down in _FEED_FORWARDS:
        if not f".{path}".endswith(f".{up}"):
            continue
        modules, prefix = dict(model.named_modules()), path[: -len(up)]
        paths = [path, *(prefix + gate for gate in gates), prefix + down]
        if not all(type(modules.get(each)) in (nn.Linear, Conv1D) for each in paths):
            continue
        (rows, _), *of_gates, (_, width) = (linear_shape(_linear(modules[each])) for each in paths)
        parts = up_parts(path)
        if rows == parts * width and all(of_gate[0] == width for of_gate in of_gates):
            return FeedForwardLayout(path, tuple(paths[1:-1]), paths[-1], width, parts)
    return None


def up_parts(path: str) -> int:
    """How many parts the outputs of the up-projection at `path` have."""
    return 2 if path.rpartition(".")[2] == "Wi" else 1


def _linear(module: nn.Module) -> Linear:
    assert isinstance(module, Linear)
    return module
