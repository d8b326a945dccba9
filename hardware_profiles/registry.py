"""The runtimes by their name in the YAML."""

from greenfront.errors import ConfigError
from greenfront.hardware_profiles.onnx_runtime import OnnxRuntime
from greenfront.hardware_profiles.runtime import Runtime
from greenfront.hardware_profiles.torch_runtime import TorchRuntime

RUNTIMES: dict[str, type[Runtime]] = {runtime.name: runtime for runtime in (TorchRuntime, OnnxRuntime)}


def get_runtime(name: str) -> type[Runtime]:
    """A runtime's class.

    Raises:
        ConfigError: a name nobody has, or a runtime that is not installed (with what installs it).
    """
    if name not in RUNTIMES:
        raise ConfigError(f"runtime must be one of {', '.join(RUNTIMES)}, but got {name!r}")
    runtime = RUNTIMES[name]
    missing = runtime.missing()
    if missing:
        raise ConfigError(
            f"runtime {name} needs {', '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed: pip install 'greenfront[{runtime.extra}]'"
        )
    return runtime


def default_runtime(device: str) -> str:
    """The runtime that people deploy on a device: on CPU ONNX Runtime where it is installed, else PyTorch."""
    return OnnxRuntime.name if device in OnnxRuntime.devices and not OnnxRuntime.missing() else TorchRuntime.name
