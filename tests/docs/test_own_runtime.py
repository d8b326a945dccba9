"""The page on adding a runtime: its code is one, by the contract."""

import pytest

from greenfront.hardware_profiles import RUNTIMES
from tests.docs.pages import DOCS, module_of, python_of

PAGE = DOCS / "how-to" / "own-runtime.md"
FILE, TEST = python_of(PAGE)
RUNTIME = module_of(PAGE, FILE, "page_onnx_provider").OnnxProvider
TestOnnxProvider = module_of(PAGE, TEST, "page_test_onnx_provider").TestOnnxProvider


@pytest.fixture(autouse=True)
def is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a test here runs: other tests know of no such runtime."""
    monkeypatch.setitem(RUNTIMES, RUNTIME.name, RUNTIME)
