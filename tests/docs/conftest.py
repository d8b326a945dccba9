"""Contracts of other rooms are tested here on the code of pages."""

from tests.spaces.conftest import pytest_generate_tests

__all__ = ["pytest_generate_tests"]
