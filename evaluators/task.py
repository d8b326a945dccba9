"""What a task is: the contract of the files that bring rows into the form a model takes."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from transformers import PretrainedConfig

from greenfront.config import DataConfig, ModelConfig
from greenfront.errors import ConfigError
from greenfront.evaluators.examples import Examples
from greenfront.evaluators.labels import Labels, head_names, resolve_labels
from greenfront.evaluators.named_metrics import METRICS, get_metric
from greenfront.evaluators.names import nearest
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
    metrics: tuple[str, ...] = METRICS
    """The metrics that say something of its answers, the default first."""
    takes_scripts: bool = True
    """Whether a metric may be a script, which compares one prediction an example with its label."""

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

    def labels(self, table: Table, data: DataConfig, config: PretrainedConfig) -> Labels:
        """The labels there are, from the train split and the model's head; none where a task has no classes.

        Raises:
            DataError: a row without label, or labels that can't be classes.
        """
        return resolve_labels(table, data.label, head_names(config, self.head))

    @abstractmethod
    def encode(
        self, table: Table, labels: Labels, data: DataConfig, processor: Any, config: PretrainedConfig
    ) -> Examples:
        """The rows, ready for the model; raises DataError naming a row that can't be read."""

    @abstractmethod
    def keys(self, table: Table, data: DataConfig, examples: Examples) -> Keys:
        """One number per example of a table, equal where the inputs are equal."""

    def check_metric(self, name: str) -> None:
        """Raise ConfigError, naming the metrics there are, for one that says nothing of this task's answers."""
        if name in self.metrics:
            return
        if self.takes_scripts and Path(name).exists():
            get_metric(name)
            return
        choice = f"{', '.join(self.metrics)}, or the path of a metric script"
        if not self.takes_scripts:
            choice = f"{', '.join(self.metrics)} with {self.name}"
        raise ConfigError(f"data.metric: must be one of {choice}, but got {name!r}{nearest(name, self.metrics)}")
