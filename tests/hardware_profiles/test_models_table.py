"""What works on which model: plans of every method answer, train, are saved and run in ONNX Runtime; `docs/models.md`.

`GREENFRONT_WRITE_DOCS=1 pytest tests/hardware_profiles/test_models_table.py` writes the document anew.
"""

import os
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from greenfront.spaces import METHODS, Plan, compress, load_checkpoint, plan_of, save_checkpoint
from tests.hardware_profiles.models_table import (
    DOCUMENT,
    TITLES,
    Graph,
    batch_of,
    document,
    graph_of,
    library_of,
    model_of,
    plans_of,
    power_of_ten,
)
from tests.spaces.models import logits

WRITE = bool(os.environ.get("GREENFRONT_WRITE_DOCS"))
STALE = "docs/models.md is stale: GREENFRONT_WRITE_DOCS=1 pytest tests/hardware_profiles/test_models_table.py writes it"
found: dict[str, tuple[str, str]] = {}
"""What the first test has measured, for writing."""


@pytest.mark.parametrize("name", TITLES)
def test_plans_of_every_method_work(name: str, tmp_path: Path) -> None:
    of = model_of(name)
    plain, rounded = plans_of(of.space, bits=False), plans_of(of.space, bits=True)
    used = {m for plan in plain + rounded for s in plan.values() for m in METHODS if METHODS[m].keys[0] in s}
    assert used == {method for method, count in of.offered.items() if count}
    measured = []
    for plans in (plain, rounded):
        graphs = [works(name, plan, tmp_path / plan.id) for plan in plans]
        measured.append(max(graphs, key=lambda graph: graph.difference))
    stated = [graph.refused or power_of_ten(graph.difference) for graph in measured]
    found[name] = (stated[0], stated[1])
    if not WRITE:
        (line,) = (line for line in DOCUMENT.read_text().splitlines() if line.startswith(f"| {TITLES[name]} |"))
        for written, graph in zip(line.split("|")[-3:-1], measured, strict=True):
            # Another processor rounds otherwise: within a factor of ten it is still the same.
            known = graph.refused == written.strip() if graph.refused else (
                graph.difference <= float(written) and float(power_of_ten(10 * graph.difference)) >= float(written)
            )  # fmt: skip
            assert known, f"{TITLES[name]}: {graph.refused or graph.difference}, not {written}; {STALE}"


def test_the_document_is_what_is_found() -> None:
    if WRITE:
        DOCUMENT.write_text(document(found))
    text = DOCUMENT.read_text()
    cells = {name: next(li for li in text.splitlines() if li.startswith(f"| {TITLES[name]} |")) for name in TITLES}
    differences = {name: tuple(cell.strip() for cell in line.split("|")[-3:-1]) for name, line in cells.items()}
    assert text == document(differences), STALE  # type: ignore[arg-type]


def works(name: str, plan: Plan, folder: Path) -> Graph:
    """A model with a plan answers, trains, and is saved and loaded as it is; what comes of it in ONNX Runtime."""
    of, batch = model_of(name), batch_of(name)
    built = compress(of.model, plan, library_of(name))
    trains(built, batch)
    answers = logits(built, batch)
    assert answers.shape == logits(of.model, batch).shape
    assert answers.isfinite().all()
    save_checkpoint(built, folder)
    loaded = load_checkpoint(folder)
    assert plan_of(loaded) == plan
    assert torch.equal(logits(loaded, batch), answers)
    return graph_of(name, loaded, folder / "model.onnx")


def trains(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> None:
    """Every weight that can be changed gets a finite gradient, but for those that no answer depends on."""
    torch.autograd.backward(torch.logsumexp(model(**batch).logits, 1).sum())
    able = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    without = {name for name, parameter in able.items() if parameter.grad is None}
    assert all(parameter.grad.isfinite().all() for parameter in able.values() if parameter.grad is not None)
    assert without == set(), without
