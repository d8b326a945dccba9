"""The `hardware` section: what the model has to be fast on."""

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from greenfront.errors import ConfigError
from greenfront.field_types import File, Text
from greenfront.section import Section
from greenfront.yaml_source import shown


class TargetConfig(Section):
    """One machine and workload that the model has to be fast on."""

    name: str = Field(default="this-machine", description="names its file in the run folder")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="cpu or cuda")
    runtime: Literal["torch", "onnxruntime"] | None = Field(
        default=None, description="torch or onnxruntime; default: onnxruntime on cpu, if installed", examples=["torch"]
    )
    compile: bool = Field(default=False, description="with runtime torch: compile the model")
    threads: int = Field(default=1, ge=1, description="processor threads for one query")
    batch_size: int = Field(default=1, ge=1, description="examples in one query")
    large_batch: int | None = Field(
        default=None, ge=2, description="examples in a large query; default: 2,048 tokens, 8 images", examples=[32]
    )
    sequence_length: int | None = Field(default=None, ge=1, description="tokens; default: data.max_length")
    profile: File | None = Field(default=None, description="a saved profile, instead of measuring")
    elsewhere: bool = Field(default=False, description="the profile is another machine's: only predict")
    resource: Text | None = Field(default=None, description="measure on the Ray node that carries this")
    seconds: float = Field(default=60.0, gt=0, description="for a profile, and for the finalists, at most")
    disturbed: Literal["refuse", "accept"] = Field(
        default="refuse", description="measurements disturbed twice: refuse, or accept with a warning"
    )
    power: float | None = Field(
        default=None, gt=0, description="watts of these threads, where nothing counts them", examples=[15]
    )
    grid_intensity: float = Field(default=473.0, ge=0, description="g CO2 per kWh; world average 2024, Ember")
    price: float = Field(default=0.25, ge=0, description="of one kWh, in your currency")

    @field_validator("name")
    @classmethod
    def _is_file_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            rule = "must be 1 to 64 letters, digits, `.`, `_`, `-`, beginning with a letter or digit"
            raise ConfigError(f"{rule} (it names a file), but got {shown(name)}")
        return name

    @model_validator(mode="after")
    def _fits_together(self) -> "TargetConfig":
        if self.compile and self.runtime != "torch":
            got = f"`runtime: {self.runtime}`" if self.runtime else "no `runtime`"
            raise ConfigError(f"must have `runtime: torch` with `compile: true`, but has {got}")
        if self.elsewhere and self.profile is None:
            raise ConfigError("must have `profile`, a file measured there, with `elsewhere: true`, but has none")
        if self.elsewhere and self.resource is not None:
            what = "costs are either predicted (`elsewhere`) or measured on a node (`resource`)"
            raise ConfigError(f"must not have both `elsewhere: true` and `resource: {self.resource}`: {what}")
        return self
