"""Where something can be chosen: the linears and attentions of a model's blocks, and its embedding table."""

from collections.abc import Iterator

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from greenfront.spaces.method import Refusal, Site

Linear = nn.Linear | Conv1D


def linear_sites(model: PreTrainedModel) -> Iterator[tuple[Site, Linear]]:
    """Every `nn.Linear` and `Conv1D` inside a block; subclasses are left alone, as their owners read their weights."""
    for path, module in _block_modules(model):
        if type(module) is nn.Linear or type(module) is Conv1D:
            yield Site(path, "linear", linear_shape(module), signature(module)), module


def linear_shape(module: Linear) -> tuple[int, int]:
    """(out, in) of a linear; a `Conv1D` stores its weight transposed."""
    rows, columns = module.weight.shape
    return (columns, rows) if isinstance(module, Conv1D) else (rows, columns)


def embedding_site(model: PreTrainedModel) -> tuple[Site, nn.Embedding] | None:
    """The input embedding table, where the model has one that looks rows up and does no more."""
    table = _table(model)
    if table is None or looks_up_and_more(table):
        return None
    path = next(path for path, module in model.named_modules() if module is table)
    return Site(path, "embedding", (table.num_embeddings, table.embedding_dim), signature(table)), table


def table_refusals(model: PreTrainedModel, method: str) -> list[Refusal]:
    """That a method of tables leaves this model's alone, where it isn't a plain one: BART's scales its rows."""
    table = _table(model)
    reason = "" if table is None else looks_up_and_more(table)
    return [Refusal(path, method, reason) for path, module in model.named_modules() if reason and module is table]


def looks_up_and_more(table: nn.Embedding) -> str:
    """Why a table can't be exchanged for another one, or ""."""
    return (
        "" if type(table) is nn.Embedding else f"{type(table).__name__} may do more than look rows up, as to scale them"
    )


def _table(model: PreTrainedModel) -> nn.Embedding | None:
    try:
        table = model.get_input_embeddings()
    except NotImplementedError:
        return None
    return table if isinstance(table, nn.Embedding) else None


def embedding_is_tied(model: PreTrainedModel) -> bool:
    """Whether another layer (the output, say) reads the same table, so that it can't be factored alone."""
    return is_tied(model, model.get_input_embeddings())


def is_tied(model: PreTrainedModel, module: nn.Module) -> bool:
    """Whether another module has this one's weight, too."""
    others = (other for other in model.modules() if other is not module)
    return any(weight is module.weight for other in others for weight in other.parameters(recurse=False))


def attention_sites(model: PreTrainedModel) -> Iterator[tuple[Site, nn.Module]]:
    """Every attention module of the blocks that calls Transformers' AttentionInterface.

    These are the modules that say whether they are causal, as the fused kernels need it.
    """
    for path, module in _block_modules(model):
        if isinstance(getattr(module, "is_causal", None), bool):
            yield Site(path, "attention", head_shape(module), signature(module)), module


def signature(module: nn.Module) -> str:
    """Class and parameter shapes: modules with equal signatures cost the same on equal inputs."""
    shapes = ", ".join(f"{name}{list(parameter.shape)}" for name, parameter in module.named_parameters())
    return f"{type(module).__name__}({shapes})"


def _block_modules(model: PreTrainedModel) -> Iterator[tuple[str, nn.Module]]:
    """Modules under a ModuleList, where Transformers keeps repeated blocks; heads and poolers are outside."""
    lists = [f"{path}." for path, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    for path, module in model.named_modules():
        if any(path.startswith(prefix) for prefix in lists):
            yield path, module


def head_shape(module: nn.Module) -> tuple[int, int]:
    """(heads, width of one head) of an attention module, 0 where it doesn't say."""
    heads = next((getattr(module, n) for n in ("num_attention_heads", "num_heads", "n_heads") if hasattr(module, n)), 0)
    widths = ("attention_head_size", "head_dim", "head_size", "qk_head_dim")
    width = next((getattr(module, n) for n in widths if hasattr(module, n)), 0)
    return int(heads), int(width)
