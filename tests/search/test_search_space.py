"""The space of a run: options are read, or refused."""

from pathlib import Path
from typing import Any

import pytest

from greenfront.errors import ConfigError
from greenfront.search.search_space import search_space
from tests.search.toy_run import toy_config, toy_model


@pytest.mark.parametrize(
    "space",
    [
        {"methods": ["low_rank"], "embeddings": {"trim": True}},
        {"methods": ["embeddings"], "embeddings": {"align": 2}, "low_rank": {"decomposition": "plain"}},
        {"bits": [16]},
        {"random_seed": 7},
    ],
)
def test_options_that_something_reads_are_taken(space: dict[str, Any], tmp_path: Path) -> None:
    assert search_space(toy_model(), toy_config(tmp_path, space=space)).choices


@pytest.mark.parametrize(
    ("space", "name"),
    [
        ({"methods": ["low_rank"], "bits": [8]}, "bits"),
        ({"methods": ["low_rank"], "embeddings": {"align": 2}}, "embeddings"),
        ({"methods": ["embeddings"], "embeddings": {"align": 2}, "low_rank": {"ranks": [2]}}, "low_rank"),
        ({"methods": ["width"], "low_rank": {"decomposition": "plain"}}, "low_rank"),
        ({"window": [4]}, "window"),
    ],
)
def test_options_that_nothing_reads_are_refused(space: dict[str, Any], name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"^space\.{name}: must go with the method {name}, but searched are "):
        search_space(toy_model(), toy_config(tmp_path, space=space))
