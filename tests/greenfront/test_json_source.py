"""JSON is read as Python's own reader does, or refused with ValueError: nothing else escapes."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenfront.json_source import parse_json, read_json, read_text

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
)


@settings(max_examples=40)
@given(DOCUMENTS)
def test_every_document_is_read_again(document: object) -> None:
    assert parse_json(json.dumps(document)) == document


@settings(max_examples=40)
@given(st.text())
def test_any_other_text_is_refused_in_one_way(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            parse_json(text)
    else:
        assert parse_json(text, finite=False) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' stands twice"),
        ("NaN", "NaN is no number of JSON"),
        ("[-Infinity]", "-Infinity is no number"),
        ("1e999", "1e999 is too large a number"),
        ("9" * 5000, "digits"),
    ],
)
def test_what_no_document_holds(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_json(text)


def test_what_is_not_finite_where_that_is_allowed() -> None:
    assert parse_json("[Infinity, 1e999]", finite=False) == [float("inf")] * 2


def test_files_that_are_too_large_or_never_end(tmp_path: Path) -> None:
    path, pipe = tmp_path / "a.json", tmp_path / "pipe"
    path.write_bytes(b"\xef\xbb\xbf[1]")
    assert read_json(path) == [1]
    assert read_text(path, most_bytes=6) == "[1]"
    with pytest.raises(ValueError, match="may have at most"):
        read_text(path, most_bytes=5)
    os.mkfifo(pipe)
    for never in (pipe, Path("/dev/zero")):
        with pytest.raises(ValueError, match="no ordinary file"):
            read_text(never)
    path.write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        read_json(path)
    with pytest.raises(OSError, match="directory"):
        read_text(tmp_path)
