"""Refusing, before anything is started, what this machine, a runtime or a model can't be."""

from transformers import PreTrainedModel

from greenfront.errors import ConfigError
from greenfront.hardware_profiles.affinity import available_cpus
from greenfront.hardware_profiles.registry import get_runtime
from greenfront.hardware_profiles.target import Target
from greenfront.hardware_profiles.workload import check_length


def check_target(target: Target, model: PreTrainedModel | None = None) -> None:
    """Raise ConfigError for a target that this machine, or the model on it, can't be measured for."""
    if model is not None:
        check_length(model, target)
    get_runtime(target.runtime).check(target)
    if target.threads > available_cpus():
        raise ConfigError(
            f"hardware {target.name!r}: threads must be at most {available_cpus()}, "
            f"the CPUs this process may use on this machine, but got {target.threads}"
        )
