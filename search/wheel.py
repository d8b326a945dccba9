"""Greenfront as a wheel, made from the package that is running: from a clone, an editable or an ordinary installation.

It names no dependencies: Ray installs a wheel of `py_modules` into a folder of its own, with pip, and would install
PyTorch there again. A wheel is a zip with three files more than the package's own (PEP 427).
"""

import base64
import hashlib
import importlib.metadata
import importlib.util
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOMS = ("greenfront", *(f"greenfront.{room}" for room in ("search", "spaces", "evaluators", "hardware_profiles")))
"""The packages, each of which may lie anywhere."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The oldest that a zip knows: equal content is an equal file."""


def write_wheel(folder: Path) -> Path:
    """Write the wheel into a folder. Its name tells its content, as Ray knows wheels of one name for equal."""
    version = importlib.metadata.version("greenfront")
    files = dict(sorted(_package_files()))
    content = hashlib.sha256(b"".join(name.encode() + files[name] for name in files)).hexdigest()
    build, tag = f"0x{content[:16]}", "py3-none-any"
    info = f"greenfront-{version}.dist-info"
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: greenfront\nVersion: {version}\n".encode()
    files[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: greenfront\nRoot-Is-Purelib: true\nTag: {tag}\nBuild: {build}\n".encode()
    )
    files[f"{info}/RECORD"] = "".join(
        [*(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in files.items()), f"{info}/RECORD,,\n"]
    ).encode()
    path = folder / f"greenfront-{version}-{build}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in files.items():
            wheel.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return path


def _package_files() -> Iterator[tuple[str, bytes]]:
    """Every file of the packages but bytecode, by its name when it is installed."""
    for room in ROOMS:
        spec = importlib.util.find_spec(room)
        assert spec is not None
        (folder,) = spec.submodule_search_locations or []
        below = room.replace(".", "/")
        for path in Path(folder).iterdir():
            if path.is_file() and path.suffix in (".py", ".typed"):
                yield f"{below}/{path.name}", path.read_bytes()
        for path in Path(folder).glob("page/*.*"):  # what the report is made of
            yield f"{below}/page/{path.name}", path.read_bytes()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
