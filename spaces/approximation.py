"""What all approximations of attention have in common: where they fit, what they refuse, one per attention."""

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import nn
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.errors import ConfigError, PlanError
from greenfront.spaces.attention import use_hook
from greenfront.spaces.library import Library
from greenfront.spaces.method import Choice, Method, Refusal
from greenfront.spaces.plan import Settings
from greenfront.spaces.sites import attention_sites, head_shape

LONG = 256
"""Tokens from which approximations are offered unasked: at 128 they took about as long as exact attention."""


class AttentionMethod(Method):
    """Chooses an approximation of each attention."""

    replaces = False
    group = "attention"
    offered_from = LONG
    leaks: ClassVar[str] = ""
    """Why causal attention would look into the future with it; "" where it has a causal form."""

    @abstractmethod
    def offered(self, space: SpaceConfig, sequence_length: int) -> list[Settings]:
        """Settings for inputs of up to `sequence_length` tokens, cheapest first; may raise ConfigError."""

    @abstractmethod
    def approximation(self, path: str, settings: Settings, width: int) -> nn.Module:
        """The `Approximation` for heads of this width; raises PlanError for settings that can't be."""

    def choices(
        self, model: PreTrainedModel, space: SpaceConfig, sequence_length: int
    ) -> tuple[list[Choice], list[Refusal]]:
        settings = tuple(self.offered(space, sequence_length))
        if not model._can_set_attn_implementation():
            reason = f"{type(model).__name__} does not call Transformers' attention hook"
            return [], [Refusal("", self.name, reason)]
        choices, refusals = [], []
        for site, module in attention_sites(model):
            reason = self._refusal(site.path, module)
            if not reason and not settings:
                reason = f"nothing it offers is below {sequence_length} tokens"
            if reason:
                refusals.append(Refusal(site.path, self.name, reason))
            else:
                choices.append(Choice(site, self.name, settings))
        return choices, refusals

    def check(self, path: str, module: nn.Module, settings: Settings) -> None:
        if not isinstance(getattr(module, "is_causal", None), bool):
            raise PlanError(
                f"{path}: {self.name} must be set on an attention module, but this is {type(module).__name__}"
            )
        reason = self._refusal(path, module)
        if reason:
            raise PlanError(f"{path}: {self.name} can't be used here: {reason}")
        with torch.device("meta"):
            self.approximation(path, settings, head_shape(module)[1])

    def apply(self, path: str, module: nn.Module, settings: Settings, library: Library | None) -> nn.Module:
        parameter = next(module.parameters())
        with torch.device(parameter.device):
            approximation = self.approximation(path, settings, head_shape(module)[1])
        module.approximation = approximation.to(parameter.dtype).train(module.training)
        use_hook(module)
        return module

    def finish(self, model: PreTrainedModel, paths: list[str]) -> None:
        use_hook(model)

    def _refusal(self, path: str, module: nn.Module) -> str:
        """Why this attention can't be approximated, or ""."""
        if getattr(module, "is_causal", None) is not False and self.leaks:
            return f"it is causal, and {self.leaks}, so it would leak the future"
        if "cross" in type(module).__name__.lower() or any(
            name in path.lower() for name in ("crossattention", "encoder_attn")
        ):
            return "it is cross-attention, whose keys are another sequence"
        if hasattr(module, "has_relative_attention_bias"):
            return "it adds a position bias to its scores, which approximations don't have"
        if getattr(module, "sliding_window", None) is not None:
            return "it attends to a sliding window already"
        if not head_shape(module)[1]:
            return "it doesn't say how wide its heads are"
        return ""


def whole_number(path: str, settings: Settings, key: str, least: int = 1) -> int:
    """A setting that must be an integer; raises PlanError."""
    value = settings.get(key)
    if not isinstance(value, int) or value < least:
        raise PlanError(f"{path}: {key} must be a whole number of at least {least}, but got {value!r}")
    return value


def seed_of(path: str, settings: Settings, key: str) -> int:
    """A setting that seeds what is random, 0 where there is none; raises PlanError."""
    return whole_number(path, settings, key, least=0) if key in settings else 0


def amounts(
    name: str, asked: tuple[int, ...] | None, sequence_length: int, shares: tuple[int, ...], *, seed: int = 0
) -> list[Settings]:
    """Settings `{name: amount}`, ascending: those asked for, else these shares (1/n) of the length as powers of two.

    A seed other than 0 stands in `{name}_seed`.

    Raises:
        ConfigError: an amount asked for that is not below the sequence length.
    """
    if asked is None:
        power = 2 ** (sequence_length.bit_length() - 1)
        found = sorted({power // share for share in shares} - {0, 1})
    else:
        found = sorted(asked)
        too_much = [amount for amount in found if amount >= sequence_length]
        if too_much:
            raise ConfigError(
                f"space.{name}: must be below the sequence length of {sequence_length} tokens, "
                f"but got {', '.join(map(str, too_much))}"
            )
    return [{name: amount, f"{name}_seed": seed} if seed else {name: amount} for amount in found]
