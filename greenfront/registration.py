"""Teaches Transformers to load exported folders: a quantization config and quantizer named `greenfront`.

Imported when `transformers.quantizers.auto` has been, and before most of Transformers is there, so it imports
the rooms only inside functions.
"""

from types import ModuleType
from typing import Any

from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

METHOD = "greenfront"


@register_quantization_config(METHOD)
class GreenfrontConfig(QuantizationConfigMixin):
    """What an exported `config.json` says under `quantization_config`: the Plan."""

    def __init__(self, plan: dict[str, dict[str, int | float | str]], version: int = 1, **_: Any) -> None:
        self.quant_method = METHOD  # type: ignore[assignment]  # Transformers takes registered names, too
        self.version = version
        self.plan = plan


@register_quantizer(METHOD)
class GreenfrontQuantizer(HfQuantizer):
    """Rebuilds the modules of a Plan on the empty model, before the weights are read."""

    requires_calibration = False

    def update_attn_implementation(self, config: Any) -> Any:
        """Called before the model is built: the attention hook must be known by then."""
        import greenfront.spaces.attention  # noqa: F401 - registers the hook

        return config

    def update_dtype(self, dtype: Any) -> Any:
        """What is rounded was float32, and what stands beside it is, whatever Transformers took for the model's own."""
        import torch

        assert isinstance(self.quantization_config, GreenfrontConfig)
        rounds = any("bits" in settings for settings in self.quantization_config.plan.values())
        return torch.float32 if rounds else dtype

    def _process_model_before_weight_loading(self, model: Any, **_: Any) -> Any:
        from greenfront.spaces.compression import apply_plan, check_plan
        from greenfront.spaces.plan import Plan

        assert isinstance(self.quantization_config, GreenfrontConfig)
        plan = Plan(self.quantization_config.plan)
        check_plan(model, plan)
        apply_plan(model, plan)
        return model

    def is_serializable(self) -> bool:
        """Compressed weights are ordinary tensors."""
        return True

    @property
    def is_trainable(self) -> bool:
        """Compressed models train like any other."""
        return True


def register(_: ModuleType) -> None:
    """The post-import hook; importing this module has done the work."""
