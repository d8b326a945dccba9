"""What a compression method is: the contract that every file of this room fulfils."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from greenfront.config import SpaceConfig
from greenfront.spaces.places import replace_module
from greenfront.spaces.plan import Plan, Settings

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

    from greenfront.spaces.library import Library


@dataclass(frozen=True)
class Site:
    """A module of the model where something can be chosen.

    `shape` is (out, in) of a linear, (vocabulary, width) of an embedding, (heads, head width) of an attention,
    (parameters of attention, of feed-forward) of a layer.
    Sites with equal `signature` (class and parameter shapes) cost the same on the same input.
    """

    path: str
    kind: Literal["linear", "embedding", "attention", "layer"]
    shape: tuple[int, int]
    signature: str


@dataclass(frozen=True)
class Reduction:
    """A module that settings of a choice make smaller: a part that goes, or features that a linear keeps."""

    path: str
    """A linear; where all of it goes, any module with what is inside it."""
    side: Literal["out", "in", "all"]
    """What shrinks: the linear's rows, its columns, or all of it."""
    unit: int
    """Features of the linear per head or neuron kept, three times as many for queries, keys and values in one."""
    setting: str
    """The key that does it, whose value is the number kept."""
    value: str = ""
    """The only value that does it, where the setting is no number."""

    def happens(self, settings: Settings) -> bool:
        """Whether these settings of the choice's site make the module smaller."""
        return self.setting in settings and self.value in ("", settings[self.setting])


@dataclass(frozen=True)
class Choice:
    """What can be chosen for one site: settings of one method, cheapest first; to leave it as it is comes last, unsaid.

    Where several methods of a group offer settings, they are one choice under the group's name: those of one method
    stand together, cheapest first.
    """

    site: Site
    method: str
    settings: tuple[Settings, ...]
    reduces: tuple[Reduction, ...] = ()
    """The modules that they make smaller beside what they say of the site itself."""

    @property
    def name(self) -> str:
        """The name of this choice's parameter in a study."""
        return f"{self.site.path}:{self.method}"

    @property
    def options(self) -> tuple[Settings, ...]:
        """Every option, cheapest first, the original (`{}`) last."""
        return (*self.settings, {})


@dataclass(frozen=True)
class Refusal:
    """A module (or a whole model, path "") that a method, or several, leaves alone, and why."""

    path: str
    method: str
    reason: str


class Method(ABC):
    """One way to compress. A new method is one file with one subclass, listed in `spaces/__init__.py`.

    The contract, tested for every method by `tests/spaces/method_contract.py`:
    `choices` never offers what `check` refuses; `apply` never changes a module it was given to replace
    (`replaces = True`), returns a module with the same inputs and outputs (but for the features that `reductions`
    takes from both sides), and builds the same structure with and without a library; and what `apply` builds has
    fewer parameters, operations or bytes.
    """

    name: str
    """The method's name in the YAML."""
    keys: tuple[str, ...]
    """The settings this method reads in a Plan; the first one carries the amount.

    Methods may share the first one where no module is owned by two of them."""
    replaces: bool = True
    """Whether `apply` returns a new module, so that the old one need not be copied before."""
    group: str = ""
    """Methods of a group exclude each other: a module takes settings of one of them at most."""
    offered_from: int = 0
    """The sequence length (tokens) from which it is offered where the YAML doesn't ask for it by name."""
    trains: bool = True
    """Whether what `apply` builds can be fine-tuned; otherwise it is applied afterwards, so after those that can."""

    @abstractmethod
    def choices(
        self, model: "PreTrainedModel", space: SpaceConfig, sequence_length: int
    ) -> tuple[list[Choice], list[Refusal]]:
        """What can be chosen in this model for inputs of up to `sequence_length` tokens, and what can't, and why.

        Raises:
            ConfigError: an option of `space` that this model can't take.
        """

    def owns(self, module: "nn.Module") -> bool:
        """Whether the first of `keys`, at this module, means this method: only where another one reads it, too."""
        return True

    @abstractmethod
    def check(self, path: str, module: "nn.Module", settings: Settings) -> None:
        """Raise PlanError when these settings don't fit this module (rank above break-even, causal attention)."""

    @abstractmethod
    def apply(self, path: str, module: "nn.Module", settings: Settings, library: "Library | None") -> "nn.Module":
        """The module that stands at `path` afterwards, with weights from the library, or untrained without one."""

    def reductions(self, model: "nn.Module", path: str) -> tuple[Reduction, ...]:
        """The modules that settings at `path` make smaller, so that other settings can be checked against them.

        Raises:
            PlanError: the model isn't built so that this method knows what belongs to `path`.
        """
        return ()

    def apply_to_model(self, model: "nn.Module", path: str, plan: Plan, library: "Library | None") -> None:
        """Do in a model what a Plan says at `path`; methods that shrink other modules, too, do it here."""
        module = model.get_submodule(path)
        changed = self.apply(path, module, plan[path], library)
        if changed is not module:
            replace_module(model, path, changed)

    def finish(self, model: "PreTrainedModel", paths: list[str]) -> None:  # noqa: B027 - most methods tie nothing
        """Called once after every `apply` of a Plan with the paths this method changed; ties what is shared."""
