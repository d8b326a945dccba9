"""The original model: loaded once, its head checked against the data's labels."""

import logging
from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from greenfront.config import ModelConfig
from greenfront.errors import DataError
from greenfront.evaluators.checkpoints import load, load_error, read_config
from greenfront.evaluators.labels import head_names
from greenfront.evaluators.names import listed
from greenfront.evaluators.tasks import get_task

logger = logging.getLogger(__name__)


def load_original(model: ModelConfig, label_names: Sequence[str]) -> tuple[PreTrainedModel, bool]:
    """The checkpoint in float32 and eval mode, with a head of these labels (if the task has any), and whether that
    head is untrained.

    A head is untrained where the checkpoint has no weights for it, or where its labels are not `label_names`
    in this order (`load_data` follows the order of a head that fits). New weights are the same at every call.

    Raises:
        DataError: the folder can't be loaded for this task, or its weights are another architecture's.
    """
    task = get_task(model.task)
    config = read_config(model)
    had = head_names(config, task.head)
    fits = not label_names or had == tuple(label_names)
    if label_names:
        config.id2label = dict(enumerate(label_names))
        config.label2id = {name: position for position, name in enumerate(label_names)}
    elif had is None:
        config.num_labels = 2  # a span has a start and an end; what another head had says nothing
    if getattr(config, "pad_token_id", None) is None and hasattr(config, "eos_token_id"):
        # Decoders find a sequence's last token by the padding; the tokenizer pads with the same token.
        config.pad_token_id = _first(config.eos_token_id)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        loaded, info = load(
            task.auto_class,
            model,
            config=config,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    original: PreTrainedModel = loaded
    new = sorted({*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])})
    _check_body(model, original, new)
    if new or not fits:
        logger.info(
            "the head of %s is untrained: %s", model.path,
            f"no weights for {listed(new, 4)}" if new else f"its labels are not {listed(label_names)}",
        )  # fmt: skip
    if not new and not fits:
        logger.warning(
            "the head of %s is trained for %s, not for the data's labels (%s): it is trained anew; to keep it, name "
            "the labels alike (id2label in its config.json)",
            model.path, listed(had or ["other labels"]), listed(label_names),
        )  # fmt: skip
    original.train(False)
    return original, bool(new) or not fits


def _check_body(model: ModelConfig, original: PreTrainedModel, new: Sequence[str]) -> None:
    """A pooler may be new; when most of the body is, the weights belong to something else."""
    prefix = f"{original.base_model_prefix}."
    body = [name for name, _ in original.named_parameters() if name.startswith(prefix)]
    missing = set(body) & set(new)
    if len(missing) > len(body) / 2:
        problem = f"{len(missing)} of {len(body)} weights of its body are missing, such as {min(missing)}"
        raise load_error(model, DataError(problem))


def _first(token: int | list[int] | None) -> int | None:
    return token[0] if isinstance(token, list) else token
