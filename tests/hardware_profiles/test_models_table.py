"""What works on which model: plans of every method answer, train, are saved and run in ONNX Runtime; `docs/models.md`.

`GREENFRONT_WRITE_DOCS=1 pytest tests/hardware_profiles/test_models_table.py` writes the document anew.
"""

import os
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from greenfront.spaces import Plan, compress, load_checkpoint, plan_of, save_checkpoint
from greenfront.spaces.quantized import unrounded_inputs
from tests.hardware_profiles.models_table import (
    DOCUMENT,
    NOISE,
    TITLES,
    batch_of,
    document,
    graph_difference,
    library_of,
    methods_in,
    model_of,
    plans_of,
    power_of_ten,
    rounded_plan,
    weights_only_plan,
)
from tests.spaces.models import logits

WRITE = bool(os.environ.get("GREENFRONT_WRITE_DOCS"))
STALE = "docs/models.md is stale: GREENFRONT_WRITE_DOCS=1 pytest tests/hardware_profiles/test_models_table.py writes it"
found: dict[str, tuple[str, str]] = {}
"""What the first test has measured, for writing."""


@pytest.mark.parametrize("name", TITLES)
def test_plans_of_every_method_work(name: str, tmp_path: Path) -> None:
    of = model_of(name)
    plain, rounded = [*plans_of(of.space), weights_only_plan(of.space)], rounded_plan(of.space)
    used = {method for plan in (*plain, rounded) for method in methods_in(of.space, plan)}
    assert used == {method for method, count in of.offered.items() if count}
    largest = max(works(name, plan, tmp_path / plan.id) for plan in plain)
    of_rounded = works(name, rounded, tmp_path / rounded.id)
    changed = rounding(load_checkpoint(tmp_path / rounded.id), batch_of(name))
    assert of_rounded < 2 * changed + 1e-4
    found[name] = (power_of_ten(largest), power_of_ten(of_rounded))
    if not WRITE:
        stated = float(row_of(name)[-2])
        assert stated / 100 < max(largest, NOISE) <= stated, STALE  # another processor has other last digits


def test_the_document_is_what_is_found() -> None:
    if WRITE:
        DOCUMENT.write_text(document(found))
    differences = {name: (row_of(name)[-2], row_of(name)[-1]) for name in TITLES}
    assert DOCUMENT.read_text() == document(differences), STALE


def row_of(name: str) -> list[str]:
    """The cells of a model's row, as they stand there."""
    begin = f"| {TITLES[name]} |"
    line = next(line for line in DOCUMENT.read_text().splitlines() if line.startswith(begin))
    return [cell.strip() for cell in line.strip("|").split("|")]


def rounding(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> float:
    """What rounding the inputs of linears changes in a logit at most."""
    rounded = logits(model, batch)
    with unrounded_inputs():
        return float((logits(model, batch) - rounded).abs().max())


def works(name: str, plan: Plan, folder: Path) -> float:
    """A model with a plan answers, trains, and is saved and loaded as it is; its difference in ONNX Runtime."""
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
    return graph_difference(name, loaded, folder / "model.onnx")


def trains(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> None:
    """Every weight that can be changed gets a finite gradient."""
    torch.autograd.backward(torch.logsumexp(model(**batch).logits, 1).sum())
    able = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert {name for name, parameter in able.items() if parameter.grad is None} == set()
    assert all(parameter.grad.isfinite().all() for parameter in able.values() if parameter.grad is not None)
