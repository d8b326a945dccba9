"""examples/recipes.py: how texts are cleaned, divided and written."""

import csv
import io
from collections import Counter
from email import message_from_bytes
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from recipes import FetchError, as_csv, counted, one_line, part_of_speech, partition, png, subject_and_body

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
LABELLED = st.dictionaries(TEXTS, st.sampled_from(["ham", "spam"]), max_size=60)


@given(LABELLED, st.randoms())
def test_partition_is_complete_disjoint_stratified_and_blind_to_order(labelled: dict[str, str], random: Random) -> None:
    rows = list(labelled.items())
    train, test = partition(rows)
    assert sorted(train + test) == sorted(row for row in rows if row[0])
    for label, size in Counter(label for text, label in rows if text).items():
        assert sum(row[1] == label for row in test) == round(size / 5)
    shuffled = rows * 2  # and every text twice
    random.shuffle(shuffled)
    assert partition(shuffled) == (train, test)


@given(st.lists(st.tuples(TEXTS.map(one_line), st.sampled_from(["a", "b,c"]))))
def test_csv_reads_back(rows: list[tuple[str, str]]) -> None:
    table = csv.reader(io.StringIO(as_csv(rows).decode("utf-8"), newline=""))
    assert [tuple(row) for row in table] == [("text", "label"), *rows]


@given(st.text())
def test_one_line_has_no_other_whitespace(text: str) -> None:
    line = one_line(text)
    assert line.split(" ") == text.replace("\0", " ").split() or line == ""


@given(st.integers(1, 30), st.integers(1, 30), st.randoms())
def test_png_holds_the_pixels(width: int, height: int, random: Random) -> None:
    pixels = list(random.randbytes(width * height))
    with Image.open(io.BytesIO(png(pixels, width))) as image:
        assert (image.mode, image.size) == ("L", (width, height))
        assert list(image.tobytes()) == pixels


def test_a_package_with_other_rows_is_refused() -> None:
    with pytest.raises(FetchError, match="reviews: expected 2 rows in the package, but got 1"):
        counted([("text", "label")], 2, "reviews")


@pytest.mark.parametrize(
    ("mail", "expected"),
    [
        (
            b"Received: from mailbox\nSubject: Hello\n  there\n\nfirst\n\nsecond\0line\n",
            "Hello there first second line",
        ),
        (b"Subject: =?iso-8859-1?q?caf=E9?=\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n", "café hello"),
        (
            b"Subject: =?nonsense?q?x?=\nContent-Type: text/plain; charset=nonsense\n\n\xe9\n",
            "=?nonsense?q?x?= é",
        ),
        (
            b"Content-Type: text/html\n\n<style>p {}</style><p id=x>Buy&nbsp;now &amp; here<!-- <b> --></p>",
            "Buy now & here",
        ),
        (
            b'Subject: s\nContent-Type: multipart/alternative; boundary="X"\n\nignored\n--X\n\nplain\n'
            b"--X\nContent-Type: text/html\n\n<p>marked</p>\n--X--\n",
            "s plain",
        ),
        (b"Subject: s\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw==\n", "s"),
        (b"From: a@example.org\n\n", ""),
    ],
)
def test_a_mail_becomes_what_a_reader_sees(mail: bytes, expected: str) -> None:
    assert subject_and_body(message_from_bytes(mail)) == expected


def test_long_mails_are_cut() -> None:
    assert len(subject_and_body(message_from_bytes(b"\n" + b"word " * 10_000))) == 20_000


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("nn", "NOUN"), ("np$-tl", "NOUN"), ("bedz", "VERB"), ("vbn", "VERB"), ("jjr-hl", "ADJ"), ("*", "ADV"),
        ("wrb", "ADV"), ("ppss+bem", "PRON"), ("wdt", "DET"), ("in-tl", "ADP"), ("cs", "CONJ"), ("cd", "NUM"),
        ("to", "PART"), ("--", "PUNCT"), ("``", "PUNCT"), ("fw-nn", "X"), ("uh", "X"), ("", "X"),
    ],
)  # fmt: skip
def test_tags_become_parts_of_speech(tag: str, name: str) -> None:
    assert part_of_speech(tag) == name
