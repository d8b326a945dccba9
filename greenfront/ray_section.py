"""What of the `ray` section says how large a worker is, in Ray's terms."""

from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, field_validator

from greenfront.errors import ConfigError
from greenfront.section import Section
from greenfront.units import Bound, parse_bound
from greenfront.yaml_source import shown

OWN = ("CPU", "GPU", "memory", "object_store_memory")
"""Resources that Ray counts itself."""


def _memory(value: str | float | Bound) -> Bound:
    bound = value if isinstance(value, Bound) else parse_bound(value, "bytes", "memory")
    if bound.relative:
        raise ConfigError(f"memory: must be a size such as `4 GB`, but got {bound.text!r}")
    return bound


Memory = Annotated[Bound, BeforeValidator(_memory), PlainSerializer(lambda bound: bound and str(bound))]


class ResourcesConfig(Section):
    """What one worker takes of its node, as Ray counts it."""

    cpu: float | None = Field(default=None, gt=0, description="default: threads_per_worker", examples=[2])
    gpu: float = Field(default=0, ge=0, description="a share of one, such as 0.5, or whole ones")
    memory: Memory | None = Field(default=None, description="of the node's", examples=["4 GB"])
    custom: dict[str, float] = Field(default={}, description="a cluster's own resources, by name")

    @field_validator("gpu")
    @classmethod
    def _share_or_whole(cls, gpu: float) -> float:
        if gpu > 1 and gpu != int(gpu):
            raise ConfigError(f"must be at most 1, or a whole number, but got {gpu:g}")
        return gpu

    @field_validator("custom")
    @classmethod
    def _names_and_amounts(cls, custom: dict[str, float]) -> dict[str, float]:
        for name, amount in custom.items():
            if not name or name in OWN:
                raise ConfigError(f"must name a resource that Ray doesn't count itself, but got {shown(name)}")
            if amount <= 0 or (amount > 1 and amount != int(amount)):
                rule = f"`{name}` must be above 0 and at most 1, or a whole number"
                raise ConfigError(f"{rule}, but got {amount:g}")
        return custom
