"""Metrics agree with scikit-learn, and are found by name."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from greenfront.errors import ConfigError
from greenfront.evaluators import METRICS, get_metric
from greenfront.evaluators.metrics import CountMetric, Counts
from greenfront.evaluators.named_metrics import trust_metric


def _oracle(name: str, labels: list[int], guesses: list[int], classes: int) -> float:
    average: dict[str, Any] = {} if classes > 2 else {"labels": [0, 1]}
    average |= {"average": "macro" if classes > 2 else "binary", "zero_division": 0}
    functions: dict[str, Callable[[], float]] = {
        "accuracy": lambda: oracle.accuracy_score(labels, guesses),
        "f1": lambda: oracle.f1_score(labels, guesses, **average),
        "precision": lambda: oracle.precision_score(labels, guesses, **average),
        "recall": lambda: oracle.recall_score(labels, guesses, **average),
        "matthews_correlation": lambda: oracle.matthews_corrcoef(labels, guesses),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of a single class
        return functions[name]()


@st.composite
def answers(draw: Any) -> tuple[int, list[int], list[int]]:
    """Number of classes, labels, predictions."""
    classes = draw(st.integers(2, 5))
    size = draw(st.integers(1, 30))
    ids = st.lists(st.integers(0, classes - 1), min_size=size, max_size=size)
    return classes, draw(ids), draw(ids)


@pytest.mark.parametrize("name", METRICS)
@given(case=answers())
def test_value_is_scikit_learns(name: str, case: tuple[int, list[int], list[int]]) -> None:
    classes, labels, guesses = case
    metric = get_metric(name)
    assert isinstance(metric, CountMetric)
    value = metric.value(Counts.of(np.array(guesses), np.array(labels), classes))
    assert float(value) == pytest.approx(_oracle(name, labels, guesses, classes), abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_compute_is_that_of_evaluate(name: str) -> None:
    labels, guesses = [0, 1, 2, 1, 1], [0, 2, 2, 1, 0]
    result = get_metric(name).compute(predictions=guesses, references=labels)
    assert result == {name: pytest.approx(_oracle(name, labels, guesses, 3))}


def test_values_of_many_counts_are_those_of_each() -> None:
    rng = np.random.default_rng(0)
    labels, guesses = rng.integers(4, size=(2, 7, 50))
    each = [Counts.of(guess, label, 4) for guess, label in zip(guesses, labels, strict=True)]
    stacked = Counts(
        *(np.stack(parts) for parts in zip(*((c.correct, c.predicted, c.actual) for c in each), strict=True))
    )
    for name in METRICS:
        metric = get_metric(name)
        assert metric.value(stacked) == pytest.approx([float(metric.value(counts)) for counts in each])


def test_unknown_name_names_the_nearest_and_all() -> None:
    with pytest.raises(
        ConfigError, match=r"must be one of accuracy, f1, .* but got 'acuracy'; did you mean 'accuracy'"
    ):
        get_metric("acuracy")


SCRIPT = """
import datasets
import evaluate

class ErrorCount(evaluate.Metric):
    def _info(self):
        integer = datasets.Value("int64")
        features = datasets.Features({"predictions": integer, "references": integer})
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=features)

    def _compute(self, predictions, references):
        return {"error_count": -sum(p != r for p, r in zip(predictions, references))}
"""


def test_a_local_script_is_a_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", tmp_path / "cache")
    script = tmp_path / "error_count" / "error_count.py"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    with pytest.raises(ConfigError, match=r"is code, which is run only where it is trusted"):
        get_metric(str(script))
    trust_metric(str(script))
    assert get_metric(str(script)).compute(predictions=[0, 1, 1], references=[0, 0, 0]) == {"error_count": -2}


def test_a_script_that_does_not_load_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text("import nothing_of_this_name\n")
    trust_metric(str(script))
    with pytest.raises(ConfigError, match=r"data\.metric: the script '.*broken\.py' can't be loaded"):
        get_metric(str(script))
    (tmp_path / "not_a_script.json").write_text(json.dumps({}))
    trust_metric(str(tmp_path / "not_a_script.json"))
    with pytest.raises(ConfigError, match="can't be loaded"):
        get_metric(str(tmp_path / "not_a_script.json"))
