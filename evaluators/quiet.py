"""Silence for libraries that report to the terminal on their own."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import datasets
import transformers


@contextmanager
def quiet() -> Iterator[None]:
    """Progress bars, messages of transformers below `error` and all of datasets' are off inside, restored after.

    What these libraries would have said that matters to a user (an untrained head, an unreadable file) is
    checked and said by the functions that call them.
    """
    of_transformers = transformers.logging.get_verbosity()
    of_datasets = datasets.logging.get_verbosity()
    transformers_bars = transformers.logging.is_progress_bar_enabled()
    datasets_bars = datasets.are_progress_bars_disabled()
    transformers.logging.set_verbosity(logging.ERROR)
    transformers.logging.disable_progress_bar()
    datasets.logging.set_verbosity(logging.CRITICAL)  # it logs what it raises, which we say in one message
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(of_transformers)
        datasets.logging.set_verbosity(of_datasets)
        if transformers_bars:
            transformers.logging.enable_progress_bar()
        if not datasets_bars:
            datasets.enable_progress_bars()
