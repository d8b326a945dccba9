"""Calibration: second moments of every linear's inputs and output gradients, from a few hundred examples.

Gradients are those of the log-likelihood of labels *sampled from the model's own output*: the true Fisher
information, so no labels are needed. Padding is left out.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from greenfront.errors import DataError
from greenfront.spaces.answers import answer_rows


@dataclass
class Moments:
    """Sums over calibration tokens of one module, in float64. I inputs (or vocabulary), O outputs.

    `inputs` (I x I) and `mean` (I) for a linear; for an embedding `inputs` (I) counts tokens and `mean` is unused.
    `gradients` (O x O) is per *answer* (an example where the model answers once), so that a layer's loss adds up over
    its tokens.
    `mask_gradients` (examples x I) float32, where asked for: each example's gradients with respect to a mask of ones on
    the inputs, `sum over tokens of x dL/dx`.
    """

    inputs: Tensor
    mean: Tensor
    gradients: Tensor
    tokens: int = 0
    mask_gradients: Tensor | None = None

    def finish(self, answers: int) -> "Moments":
        """Expectations: inputs and mean per token, gradients per answer."""
        count = max(self.tokens, 1)
        gradients = self.gradients / max(answers, 1)
        return Moments(self.inputs / count, self.mean / count, gradients, self.tokens, self.mask_gradients)


def collect(
    model: PreTrainedModel,
    paths: Sequence[str],
    batches: Iterable[dict[str, Tensor]],
    *,
    seed: int,
    masked: Collection[str] = (),
    progress: Callable[[int], None] | None = None,
) -> dict[str, Moments]:
    """Run every batch forwards and backwards once and return the moments of the modules at `paths`.

    Those also in `masked` come with their mask gradients.

    Raises:
        DataError: no batches.
    """
    generator = torch.Generator().manual_seed(seed)
    modules = {path: model.get_submodule(path) for path in paths}
    moments: dict[str, Moments] = {}
    trainable = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    training, answers = model.training, 0
    model.eval()
    model.requires_grad_(False)
    with ExitStack() as stack:
        stack.callback(model.train, training)
        stack.callback(lambda: [p.requires_grad_(trainable[name]) for name, p in model.named_parameters()])
        recorder = _Recorder(moments)
        for path, module in modules.items():
            stack.enter_context(_removing(module.register_forward_hook(recorder.hook(path))))
            if path in masked:
                stack.enter_context(_removing(module.register_forward_pre_hook(recorder.mask_hook(path))))
        for batch in batches:
            recorder.mask = batch.get("attention_mask")
            logits = answer_rows(model, batch).float()
            labels = torch.multinomial(logits.detach().softmax(-1), 1, generator=generator).squeeze(-1)
            F.cross_entropy(logits, labels, reduction="sum").backward()
            answers += len(logits)
            recorder.end_batch()
            if progress is not None:
                progress(answers)
    if not answers:
        raise DataError("calibration needs at least one example, but got none")
    return {path: found.finish(answers) for path, found in moments.items()}


class _Recorder:
    """Adds up what the hooks see; `mask` (B, L) is the current batch's."""

    def __init__(self, moments: dict[str, Moments]) -> None:
        self.moments = moments
        self.mask: Tensor | None = None
        self.mask_gradients: dict[str, Tensor] = {}

    def mask_hook(self, path: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def record(_: nn.Module, arguments: tuple[Any, ...]) -> None:
            inputs: Tensor = arguments[0]
            inputs.requires_grad_()

            def add(gradient: Tensor) -> None:
                products = gradient * inputs.detach()
                if self.mask is not None and products.shape[:2] == self.mask.shape:
                    products = products * self.mask[:, :, None]
                found = products.flatten(1, -2).sum(1)
                before = self.mask_gradients.get(path)  # one mask serves every call of a shared module
                self.mask_gradients[path] = found if before is None else before + found

            inputs.register_hook(add)

        return record

    def end_batch(self) -> None:
        """What the examples of a batch have added up over all calls."""
        for path, found in self.mask_gradients.items():
            before = self.moments[path].mask_gradients
            self.moments[path].mask_gradients = found if before is None else torch.cat([before, found])
        self.mask_gradients.clear()

    def hook(self, path: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], None]:
        def record(module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
            inputs = self._valid(arguments[0].detach())
            if path not in self.moments:
                width = module.num_embeddings if isinstance(module, nn.Embedding) else inputs.shape[-1]
                self.moments[path] = _empty(width, output.shape[-1], embedding=isinstance(module, nn.Embedding))
            found = self.moments[path]
            found.tokens += len(inputs)
            if isinstance(module, nn.Embedding):
                found.inputs += torch.bincount(inputs, minlength=module.num_embeddings)
            else:
                found.inputs += inputs.T @ inputs
                found.mean += inputs.sum(0)

            # Weights are frozen, so that only the activations' gradients are computed: they start at the
            # first recorded output, wherever that is (relative positions never pass the input embedding).
            output.requires_grad_()

            def add(gradient: Tensor) -> None:
                rows = self._valid(gradient)
                found.gradients += rows.T @ rows

            output.register_hook(add)

        return record

    def _valid(self, values: Tensor) -> Tensor:
        """Rows of valid tokens: (B, L, ...) with the padding left out, or every row where there is no mask."""
        if self.mask is not None and values.shape[:2] == self.mask.shape:
            return values[self.mask.bool()]
        return values.flatten(0, -2) if values.is_floating_point() else values.flatten()


def _empty(inputs: int, outputs: int, *, embedding: bool) -> Moments:
    shape = (inputs,) if embedding else (inputs, inputs)
    first, mean, gradients = (torch.zeros(s, dtype=torch.float64) for s in (shape, (inputs,), (outputs, outputs)))
    return Moments(first, mean, gradients)


class _removing(ExitStack):  # noqa: N801 - reads as a function
    """A hook's handle as a context."""

    def __init__(self, handle: Any) -> None:
        super().__init__()
        self.callback(handle.remove)
