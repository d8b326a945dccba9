"""Which number format training and scoring compute in."""

from typing import Literal

import torch

Precision = Literal["bfloat16", "float32"]


def resolve_precision(precision: Literal["auto", "bfloat16", "float32"], device: torch.device | str) -> Precision:
    """`auto` is bfloat16 where the processor multiplies it natively (AVX512_BF16, AMX, or CUDA's own), else
    float32.

    Without such instructions bfloat16 is emulated and slower than float32; with them a training step of
    MiniLM-L6 (32 x 64 tokens, 2 cores) takes 0.53 s instead of 1.20 s.
    """
    if precision != "auto":
        return precision
    if torch.device(device).type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    native = any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
    return "bfloat16" if native else "float32"


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """The context in which a forward pass computes in this precision."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")
