"""A Target: the machine, runtime and workload that a cost is measured for."""

from dataclasses import dataclass

from greenfront.config import TargetConfig
from greenfront.errors import ConfigError

LARGE_QUERY_TOKENS = 2048
LARGE_QUERY_IMAGES = 8
_COUNTS = ("threads", "batch_size", "sequence_length", "large_batch")
_COMPARED = ("device", "runtime", "compile", "threads", "batch_size", "sequence_length", "large_batch")


@dataclass(frozen=True)
class Target:
    """A `TargetConfig` with everything decided.

    The workload is one full batch: `batch_size` inputs, texts of exactly `sequence_length` tokens without
    padding (images have the size their model takes, and `sequence_length` is not used). Throughput is that of
    `large_batch` such inputs at once.

    Raises:
        ConfigError: a count below one.
    """

    name: str
    device: str
    runtime: str
    threads: int
    batch_size: int
    sequence_length: int
    compile: bool = False
    large_batch: int = LARGE_QUERY_IMAGES
    power: float | None = None
    """Watts of the cores in use, for estimating energy where nothing counts it."""
    grid_intensity: float = 473.0
    """g CO2 per kWh."""
    price: float = 0.25
    """Of one kWh."""
    seconds: float = 60.0
    """For measuring a profile; starting the process and measuring memory come on top."""
    accepts_disturbed: bool = False
    """Whether a measurement that other programs disturbed twice stands, with a warning."""

    def __post_init__(self) -> None:
        for field in _COUNTS:
            if getattr(self, field) < 1:
                raise ConfigError(f"hardware {self.name!r}: {field} must be 1 or more, but got {getattr(self, field)}")

    def differences(self, other: "Target") -> list[str]:
        """What differs in how the two measure, as `threads: 1 against 2`; nothing else matters."""
        pairs = ((field, getattr(self, field), getattr(other, field)) for field in _COMPARED)
        return [f"{field}: {mine} against {theirs}" for field, mine, theirs in pairs if mine != theirs]


def resolve_target(config: TargetConfig, sequence_length: int, *, images: bool = False) -> Target:
    """The Target of a configured one; `sequence_length` is the data's, for a target that says none.

    Raises:
        ConfigError: a runtime that is not installed, or that can't be this target.
    """
    from greenfront.hardware_profiles.registry import default_runtime  # knows PyTorch; a Target itself is light

    tokens = config.sequence_length or sequence_length
    return Target(
        name=config.name,
        device=config.device,
        runtime=config.runtime or default_runtime(config.device),
        threads=config.threads,
        batch_size=config.batch_size,
        sequence_length=tokens,
        compile=config.compile,
        large_batch=config.large_batch or (LARGE_QUERY_IMAGES if images else max(2, LARGE_QUERY_TOKENS // tokens)),
        power=config.power,
        grid_intensity=config.grid_intensity,
        price=config.price,
        seconds=config.seconds,
        accepts_disturbed=config.disturbed == "accept",
    )
