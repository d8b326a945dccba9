"""The runtimes by their name in the YAML."""

from greenfront.errors import ConfigError
from greenfront.hardware_profiles.runtime import Runtime
from greenfront.hardware_profiles.torch_runtime import TorchRuntime

RUNTIMES: dict[str, type[Runtime]] = {runtime.name: runtime for runtime in (TorchRuntime,)}


def get_runtime(name: str) -> type[Runtime]:
    """A runtime's class; raises ConfigError for a name nobody has."""
    if name not in RUNTIMES:
        raise ConfigError(f"runtime must be one of {', '.join(RUNTIMES)}, but got {name!r}")
    return RUNTIMES[name]
