"""Fixtures of the room."""

import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests of a class that names `models` and ask for `model_name` run once per model."""
    if "model_name" in metafunc.fixturenames and hasattr(metafunc.cls, "models"):
        metafunc.parametrize("model_name", metafunc.cls.models)
