"""How good a candidate is: tasks, metrics, significance, quick fine-tuning."""

from typing import TYPE_CHECKING

from greenfront.lazy import lazily as _lazily

if TYPE_CHECKING:
    from greenfront.evaluators.analysis_record import Analysis, Finding, Focus
    from greenfront.evaluators.data import TaskData, load_data, load_test
    from greenfront.evaluators.examples import Examples, batches
    from greenfront.evaluators.image_examples import ImageExamples
    from greenfront.evaluators.named_metrics import METRICS, get_metric
    from greenfront.evaluators.original import load_original
    from greenfront.evaluators.outputs import Outputs, kl_divergence
    from greenfront.evaluators.precision import resolve_precision
    from greenfront.evaluators.prediction import Teacher, answer, answer_numbers, fitting, predict
    from greenfront.evaluators.question_examples import QuestionExamples
    from greenfront.evaluators.scores import Score, bootstrap_interval, mcnemar_p, score, tied
    from greenfront.evaluators.significance_analysis import Significance, significance
    from greenfront.evaluators.significance_walk import THRESHOLDS, analyze
    from greenfront.evaluators.task import Task
    from greenfront.evaluators.tasks import TASKS, get_task
    from greenfront.evaluators.text_examples import TextExamples
    from greenfront.evaluators.token_examples import TokenExamples
    from greenfront.evaluators.training import distill, fine_tune
    from greenfront.evaluators.training_log import Stretch, TrainingLog
else:
    __getattr__, __dir__ = _lazily(
        __name__,
        {
            "analysis_record": ("Analysis", "Finding", "Focus"),
            "data": ("TaskData", "load_data", "load_test"),
            "examples": ("Examples", "batches"),
            "image_examples": ("ImageExamples",),
            "named_metrics": ("METRICS", "get_metric"),
            "original": ("load_original",),
            "outputs": ("Outputs", "kl_divergence"),
            "precision": ("resolve_precision",),
            "prediction": ("Teacher", "answer", "answer_numbers", "fitting", "predict"),
            "question_examples": ("QuestionExamples",),
            "scores": ("Score", "bootstrap_interval", "mcnemar_p", "score", "tied"),
            "significance_analysis": ("Significance", "significance"),
            "significance_walk": ("THRESHOLDS", "analyze"),
            "task": ("Task",),
            "tasks": ("TASKS", "get_task"),
            "text_examples": ("TextExamples",),
            "token_examples": ("TokenExamples",),
            "training": ("distill", "fine_tune"),
            "training_log": ("Stretch", "TrainingLog"),
        },
    )

__all__ = [
    "METRICS",
    "TASKS",
    "THRESHOLDS",
    "Analysis",
    "Examples",
    "Finding",
    "Focus",
    "ImageExamples",
    "Outputs",
    "QuestionExamples",
    "Score",
    "Significance",
    "Stretch",
    "Task",
    "TaskData",
    "Teacher",
    "TextExamples",
    "TokenExamples",
    "TrainingLog",
    "analyze",
    "answer",
    "answer_numbers",
    "batches",
    "bootstrap_interval",
    "distill",
    "fine_tune",
    "fitting",
    "get_metric",
    "get_task",
    "kl_divergence",
    "load_data",
    "load_original",
    "load_test",
    "mcnemar_p",
    "predict",
    "resolve_precision",
    "score",
    "significance",
    "tied",
]
