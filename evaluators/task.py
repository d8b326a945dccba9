"""What a task is: the contract of the files that bring rows into the form a model takes."""

from abc import ABC, abstractmethod
from typing import Any

from transformers import PretrainedConfig

from greenfront.config import DataConfig, ModelConfig
from greenfront.evaluators.examples import Examples, Indices
from greenfront.evaluators.splits import Keys
from greenfront.evaluators.tables import Table


class Task(ABC):
    """One kind of question asked of a model. A new task is one file with one subclass, listed in
    `tasks.py`."""

    name: str
    """The task's name in the YAML."""
    head: str
    """How the names of the model classes end that answer it, e.g. `ForSequenceClassification`."""
    auto_class: Any
    """The `AutoModelFor...` that loads them."""

    @abstractmethod
    def columns(self, data: DataConfig) -> dict[str, str]:
        """Setting -> column that every table must have, the label's included."""

    @abstractmethod
    def processor(self, model: ModelConfig, config: PretrainedConfig, data: DataConfig) -> Any:
        """What turns raw inputs into the model's: a tokenizer or an image processor, with `save_pretrained`.

        Raises:
            DataError: the checkpoint has none that can be loaded.
            ConfigError: a length that the model can't take.
        """

    @abstractmethod
    def keys(self, table: Table, data: DataConfig) -> Keys:
        """One number per row, equal where the inputs are equal; raises DataError naming a row without
        input."""

    @abstractmethod
    def encode(
        self, table: Table, labels: Indices, data: DataConfig, processor: Any, config: PretrainedConfig
    ) -> Examples:
        """The rows, ready for the model; raises DataError naming a row that can't be read."""
