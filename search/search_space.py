"""What a run searches: everything its configuration offers in its model."""

from transformers import PreTrainedModel

from greenfront.config import RunConfig, SpaceConfig
from greenfront.errors import ConfigError
from greenfront.spaces import METHODS, Space, find_space


def search_space(model: PreTrainedModel, config: RunConfig) -> Space:
    """The space of a model, for the longest inputs of all targets.

    Raises:
        ConfigError: as `find_space`, or an option of a method that is not searched.
    """
    longest = max(config.target_length(target) for target in config.hardware)
    space = find_space(model, config.space, longest)
    _check_options(config.space, longest)
    return space


def _check_options(space: SpaceConfig, sequence_length: int) -> None:
    """Refuse options that nothing would read: whoever writes `window: [64]` wants a window."""
    offered = [name for name, method in METHODS.items() if sequence_length >= method.offered_from]
    searched, usual = offered if space.methods is None else space.methods, SpaceConfig()
    found = {name: getattr(space, name, None) for name in METHODS}
    # A vocabulary is trimmed whatever is searched, and tables are decomposed as linears are.
    found["embeddings"] = space.embeddings.model_copy(update={"trim": usual.embeddings.trim})
    if "embeddings" in searched:
        found["low_rank"] = space.low_rank.model_copy(update={"decomposition": usual.low_rank.decomposition})
    for name, options in found.items():
        if name not in searched and options != getattr(usual, name, None):
            raise ConfigError(
                f"space.{name}: must go with the method {name}, but searched are {', '.join(searched)}; "
                "name all that shall be searched in space.methods"
            )
