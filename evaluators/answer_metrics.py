"""Exact match and F1 of answers in words, as SQuAD 1.1 defines them (Rajpurkar et al. 2016, section 6.1)."""

import re
import string
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence

import datasets
import numpy as np

from greenfront.evaluators.examples import Examples, Indices
from greenfront.evaluators.question_examples import QuestionExamples
from greenfront.evaluators.sum_metric import Array, Logits, SumMetric


class AnswerMetric(SumMetric):
    """A mean over questions, each scored by the right answer that fits best."""

    inputs = "predictions: one text a question; references: one list of right answers a question"
    features = datasets.Features(
        {"predictions": datasets.Value("string"), "references": datasets.Sequence(datasets.Value("string"))}
    )

    @abstractmethod
    def fit(self, predicted: list[str], actual: list[str]) -> float:
        """How well the words of an answer fit those of a right one, 0 to 1."""

    def best(self, predicted: str, answers: Sequence[str]) -> float:
        """The best fit among the right answers."""
        return max(self.fit(normalized(predicted), normalized(answer)) for answer in answers)

    def statistics(self, logits: Logits, examples: Examples, indices: Indices) -> Array:
        """(B, 2): how well each question is answered, and one."""
        assert isinstance(examples, QuestionExamples)
        predictions = zip(indices, examples.predictions(logits, indices), strict=True)
        return np.array([[self.best(text, examples.answers[index]), 1.0] for index, text in predictions])

    def of_sums(self, sums: Array) -> Array:
        """The mean."""
        return np.asarray(sums[..., 0] / sums[..., 1])

    def _compute(self, predictions: list[str], references: list[list[str]]) -> dict[str, float]:
        fits = [self.best(text, answers) for text, answers in zip(predictions, references, strict=True)]
        return {self.metric_name: float(np.mean(fits))}


class ExactMatch(AnswerMetric):
    """Share of answers that are right word for word."""

    metric_name = "exact_match"
    summary = "Share of answers that equal a right one, without case, punctuation and articles."

    def fit(self, predicted: list[str], actual: list[str]) -> float:
        """1 where the words are the same."""
        return float(predicted == actual)


class AnswerF1(AnswerMetric):
    """Mean F1 of the words that an answer shares with the right one."""

    metric_name = "answer_f1"
    summary = "Mean F1 over the words of an answer and of the right one, without case, punctuation and articles."

    def fit(self, predicted: list[str], actual: list[str]) -> float:
        """Harmonic mean of the shares of both answers' words that the other has, repeats counted; 0 without any."""
        same = sum((Counter(predicted) & Counter(actual)).values())
        return 2 * same / (len(predicted) + len(actual)) if same else 0.0


def normalized(text: str) -> list[str]:
    """The words of an answer: lower case, without punctuation and the articles a, an, the."""
    plain = "".join(character for character in text.lower() if character not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()
