"""A Target: the machine, runtime and workload that a cost is measured for."""

from dataclasses import dataclass

from greenfront.config import TargetConfig
from greenfront.errors import ConfigError


@dataclass(frozen=True)
class Target:
    """A `TargetConfig` with everything decided.

    The workload is one full batch: `batch_size` inputs, texts of exactly `sequence_length` tokens without
    padding (images have the size their model takes, and `sequence_length` is not used).

    Raises:
        ConfigError: a count below one.
    """

    name: str
    device: str
    runtime: str
    threads: int
    batch_size: int
    sequence_length: int

    def __post_init__(self) -> None:
        for field in ("threads", "batch_size", "sequence_length"):
            if getattr(self, field) < 1:
                raise ConfigError(f"hardware {self.name!r}: {field} must be 1 or more, but got {getattr(self, field)}")

    def differences(self, other: "Target") -> list[str]:
        """What differs in how the two measure, as `threads: 1 against 2`; the name doesn't matter."""
        fields = ("device", "runtime", "threads", "batch_size", "sequence_length")
        pairs = ((field, getattr(self, field), getattr(other, field)) for field in fields)
        return [f"{field}: {mine} against {theirs}" for field, mine, theirs in pairs if mine != theirs]


def resolve_target(config: TargetConfig, sequence_length: int) -> Target:
    """The Target of a configured one; `sequence_length` is the data's, for a target that says none."""
    return Target(
        name=config.name,
        device=config.device,
        runtime=config.runtime,
        threads=config.threads,
        batch_size=config.batch_size,
        sequence_length=config.sequence_length or sequence_length,
    )
