"""What stands on pages is true: lines of Python that show a result give it, and every YAML can be read."""

import doctest
from pathlib import Path
from typing import Any

import pytest
import yaml

from greenfront.config import parse_config
from greenfront.search import RunFolder
from tests.docs.pages import DOCS, ROOT, code_of, module_of, python_of
from tests.search.front_builder import NO_BUDGETS, build_front

PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
SHOWN = [page for page in PAGES if any(">>> " in code.text for code in python_of(page))]
WITH_YAML = [page for page in PAGES if any(code.language == "yaml" for code in code_of(page))]
LEAST: dict[str, Any] = {
    "model": {"path": "my-model", "task": "text-classification"},
    "data": {"train": "train.csv", "test": "test.csv"},
}


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_pages_are_found() -> None:
    assert DOCS / "reference" / "python.md" in SHOWN
    assert len(WITH_YAML) > 5


@pytest.mark.parametrize("page", SHOWN, ids=named)
def test_python_gives_what_is_shown(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = RunFolder.create(parse_config({**LEAST, "output": "runs/my"}, locate=False))
    build_front(verified=8, unverified=2, budgets=NO_BUDGETS).save(run.front)
    names: dict[str, Any] = {}
    runner, said = doctest.DocTestRunner(), list[str]()
    for code in python_of(page):
        if ">>> " in code.text:
            test = doctest.DocTestParser().get_doctest(code.text, names, named(page), str(page), code.line - 1)
            runner.run(test, out=said.append, clear_globs=False)
            names.update(test.globs)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)
    assert runner.summarize(verbose=False).attempted > 0


@pytest.mark.parametrize("page", WITH_YAML, ids=named)
def test_yaml_can_be_used(page: Path) -> None:
    """In a file whose other sections say the least."""
    for code in code_of(page):
        if code.language != "yaml":
            continue
        raw = {key: {**LEAST[key], **(value or {})} if key in LEAST else value for key, value in read(code.text)}
        if "resource" in code.text and "ray" not in raw:
            raw["ray"] = {"address": "auto"}
        parse_config({**LEAST, **raw}, locate=False)


def read(text: str) -> list[tuple[str, Any]]:
    return list(yaml.safe_load(text).items())


def test_the_metric_of_a_page_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", tmp_path / "cache")
    page = DOCS / "how-to" / "task-and-metric.md"
    (script,) = python_of(page)
    metric = module_of(page, script, "page_balanced").Balanced(cache_dir=str(tmp_path))
    assert metric.compute(predictions=[0, 0, 0, 1], references=[0, 0, 0, 0]) == {"balanced": 0.75}
    assert metric.compute(predictions=[0, 0, 0, 0], references=[0, 0, 0, 1]) == {"balanced": 0.5}
