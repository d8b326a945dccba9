"""Blocks: an attention block, a feed-forward block or a whole layer is skipped; the residual stream passes.

Where the norm stands in front of a block (GPT-2, ViT, Llama), it goes with the block. Where it follows the sum of block
and residual stream (BERT, DistilBERT), it stays when one block of a layer goes: what comes next has only ever seen its
outputs, and they are what the block would leave if it answered zero. With the whole layer, its norms go, too.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.errors import PlanError
from greenfront.spaces.library import Library
from greenfront.spaces.method import Choice, Method, Reduction, Refusal, Site
from greenfront.spaces.places import inside
from greenfront.spaces.plan import Settings
from greenfront.spaces.sites import signature

SKIPPED = ("attention", "feed_forward", "layer")


@dataclass(frozen=True)
class _Form:
    """The children of a layer: its attention, its feed-forward block and their norms."""

    attention: str
    attention_norm: str
    feed_forward: str
    feed_forward_norm: str
    norm_first: bool = True


_FORMS = (
    _Form("attention", "sa_layer_norm", "ffn", "output_layer_norm", norm_first=False),  # DistilBERT
    _Form("attention", "layernorm_before", "mlp", "layernorm_after"),  # ViT
    _Form("attn", "ln_1", "mlp", "ln_2"),  # GPT-2
    _Form("self_attn", "input_layernorm", "mlp", "post_attention_layernorm"),  # Llama
    _Form("attn", "attn_norm", "mlp", "mlp_norm"),  # ModernBERT
)
_BERT = {"attention", "intermediate", "output"}


class Passing(nn.Module):
    """Gives back what it is given first."""

    def forward(self, hidden_states: Tensor, *_: object, **__: object) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        return hidden_states


class NoAttention(nn.Module):
    """An attention that adds nothing to the residual stream."""

    def forward(self, hidden_states: Tensor, *_: object, **__: object) -> tuple[Tensor, None]:
        """(B, L, D) -> zero, and no weights."""
        return hidden_states.new_zeros(()), None


class NoFeedForward(nn.Module):
    """A feed-forward block that adds nothing to the residual stream."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, L, D) -> zero."""
        return hidden_states.new_zeros(())


class AttentionNorm(nn.Module):
    """What is left of a BERT's attention block: its norm."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, hidden_states: Tensor, *_: object, **__: object) -> tuple[Tensor, None]:
        """(B, L, D) -> (B, L, D), and no weights."""
        return self.norm(hidden_states), None


class FeedForwardNorm(nn.Module):
    """What is left of a BERT's feed-forward block: its norm."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, _: Tensor, residual: Tensor) -> Tensor:
        """(B, L, D) twice -> (B, L, D) of the second."""
        outputs: Tensor = self.norm(residual)
        return outputs


class Blocks(Method):
    """Chooses which block of each layer is skipped, or the layer."""

    name = "blocks"
    keys = ("skip",)
    replaces = False

    def choices(
        self, model: PreTrainedModel, space: SpaceConfig, sequence_length: int
    ) -> tuple[list[Choice], list[Refusal]]:
        layers = _layers(model)
        calls = getattr(model.config, "num_hidden_layers", 0)
        choices, refusals = [], []
        for path, layer in layers:
            gone = _gone(layer)
            reason = "it serves as several layers, which share its weights" if calls > len(layers) else gone
            if isinstance(reason, str):
                refusals.append(Refusal(path, self.name, reason))
                continue
            assert not isinstance(gone, str)
            sizes = {what: sum(_parameters(layer, part) for part in parts) for what, parts in gone.items()}
            site = Site(path, "layer", (sizes["attention"], sizes["feed_forward"]), signature(layer))
            offered = sorted(_possible(layer), key=lambda what: -sizes[what])
            choices.append(Choice(site, self.name, tuple({"skip": what} for what in offered), _reductions(path, gone)))
        return choices, refusals

    def check(self, path: str, module: nn.Module, settings: Settings) -> None:
        gone, what = _gone(module), settings.get("skip")
        if isinstance(gone, str):
            raise PlanError(f"{path}: skip must be set on a layer: {gone}")
        if what not in SKIPPED:
            raise PlanError(f"{path}: skip must be one of {', '.join(SKIPPED)}, but got {what!r}")
        if what not in _possible(module):
            raise PlanError(
                f"{path}: skip must be feed_forward in the first layer of a causal model, whose cache of keys counts "
                f"its tokens there, but got {what!r}"
            )

    def reductions(self, model: nn.Module, path: str) -> tuple[Reduction, ...]:
        gone = _gone(model.get_submodule(path))
        if isinstance(gone, str):
            raise PlanError(f"{path}: skip must be set on a layer: {gone}")
        return _reductions(path, gone)

    def apply(self, path: str, module: nn.Module, settings: Settings, library: Library | None) -> nn.Module:
        if settings["skip"] == "layer":
            passing = Passing()
            if hasattr(module, "attention_type"):  # read by the model, which makes a mask for every type
                passing.attention_type = module.attention_type
            return passing
        form, attention = _form(module), settings["skip"] == "attention"
        if form is None:  # BERT
            if attention:
                module.attention = AttentionNorm(module.get_submodule("attention.output.LayerNorm"))
            else:
                module.intermediate = Passing()
                module.output = FeedForwardNorm(module.get_submodule("output.LayerNorm"))
        else:
            block, norm = (
                (form.attention, form.attention_norm) if attention else (form.feed_forward, form.feed_forward_norm)
            )
            setattr(module, block, NoAttention() if attention else NoFeedForward())
            if form.norm_first:
                setattr(module, norm, nn.Identity())
        return module.train(module.training)


def _layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The outermost repeated modules that have an attention."""
    found: list[tuple[str, nn.Module]] = []
    lists = {path for path, module in model.named_modules() if isinstance(module, nn.ModuleList)}
    for path, module in model.named_modules():
        repeated = path.rpartition(".")[0] in lists and not any(inside(path, outer) for outer, _ in found)
        if repeated and any(_is_attention(part) for part in module.modules()):
            found.append((path, module))
    return found


def _form(layer: nn.Module) -> _Form | None:
    """The form of a layer whose blocks and norms are its children, or None."""
    names = {name for name, child in layer.named_children() if any(True for _ in child.parameters())}
    for form in _FORMS:
        blocks, norms = {form.attention, form.feed_forward}, {form.attention_norm, form.feed_forward_norm}
        # The first norm of a ModernBERT has no weights.
        if blocks <= names <= blocks | norms and all(isinstance(getattr(layer, n, None), nn.Module) for n in norms):
            return form
    return None


def _gone(layer: nn.Module) -> dict[str, tuple[str, ...]] | str:
    """What each setting takes away, by paths in the layer ("" for all of it), or why nothing can be skipped."""
    form = _form(layer)
    if not any(_is_attention(part) for part in layer.modules()):
        return f"{type(layer).__name__} has no attention that calls Transformers' hook"
    if form is not None:
        attention, feed_forward = [form.attention], [form.feed_forward]
        if form.norm_first:
            attention.append(form.attention_norm)
            feed_forward.append(form.feed_forward_norm)
    elif _is_bert(layer):
        attention, feed_forward = ["attention.self", "attention.output.dense"], ["intermediate", "output.dense"]
    else:
        return f"{type(layer).__name__} is no layer of a known form"
    return {"attention": tuple(attention), "feed_forward": tuple(feed_forward), "layer": ("",)}


def _is_bert(layer: nn.Module) -> bool:
    parts = {name for name, _ in layer.named_modules()}
    norms = {"attention.output.LayerNorm", "output.LayerNorm", "attention.self", "attention.output.dense"}
    return {name for name, _ in layer.named_children()} == _BERT and norms <= parts


def _possible(layer: nn.Module) -> tuple[str, ...]:
    """What can be skipped: a causal model's first attention counts the tokens of its cache."""
    attention = next(part for part in layer.modules() if _is_attention(part))
    first = getattr(attention, "is_causal", False) and getattr(attention, "layer_idx", None) == 0
    return ("feed_forward",) if first else SKIPPED


def _is_attention(module: nn.Module) -> bool:
    return isinstance(getattr(module, "is_causal", None), bool)


def _parameters(layer: nn.Module, part: str) -> int:
    return sum(parameter.numel() for parameter in layer.get_submodule(part).parameters())


def _reductions(path: str, gone: dict[str, tuple[str, ...]]) -> tuple[Reduction, ...]:
    return tuple(
        Reduction(f"{path}.{part}" if part else path, "all", 1, "skip", what)
        for what, parts in gone.items()
        for part in parts
    )
