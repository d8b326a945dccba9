"""The tasks there are, by their names in the YAML."""

from greenfront.errors import ConfigError
from greenfront.evaluators.causal_language_modelling import CausalLanguageModelling
from greenfront.evaluators.image_classification import ImageClassification
from greenfront.evaluators.names import nearest
from greenfront.evaluators.question_answering import QuestionAnswering
from greenfront.evaluators.task import Task
from greenfront.evaluators.text_classification import TextClassification
from greenfront.evaluators.token_classification import TokenClassification

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        TextClassification(), ImageClassification(), TokenClassification(), QuestionAnswering(),
        CausalLanguageModelling(),
    )
}  # fmt: skip


def get_task(name: str) -> Task:
    """The task of this name; raises ConfigError naming the tasks there are."""
    if name not in TASKS:
        raise ConfigError(f"model.task: must be one of {', '.join(TASKS)}, but got {name!r}{nearest(name, TASKS)}")
    return TASKS[name]
