"""The files of examples/ in a small form: their task, columns and methods, on a tiny model and few steps."""

from pathlib import Path
from typing import Any

import yaml

EXAMPLES = Path(__file__).parents[2] / "examples"
REPLACED = ("hardware", "budgets")
"""What an example says of these says nothing of a tiny model."""
SMALL: dict[str, Any] = {
    "data": {"max_length": 16},
    "hardware": {"name": "here", "batch_size": 2, "seconds": 1, "disturbed": "accept"},
    "budgets": {"accuracy_drop": "90%"},
    "objectives": ["accuracy", "size"],
    "search": {"trials": 2, "finalists": 1},
    "fine_tune": {"steps": 3, "batch_size": 8, "original_epochs": 6, "original_learning_rate": 3e-3},
    "ray": {"workers": 1},
    "output": "run",
}


def example(name: str) -> dict[str, Any]:
    """What an example's file says."""
    raw: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    return raw


def small_form(name: str, path: Path, **changes: dict[str, Any]) -> None:
    """Write an example's small form; `changes` are of its sections, the tiny model and data among them."""
    raw = example(name)
    for section, values in [*SMALL.items(), *changes.items()]:
        merged = isinstance(values, dict) and section not in REPLACED
        raw[section] = {**(raw.get(section) or {}), **values} if merged else values
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
