"""Whether what Greenfront needs is installed, in versions that it knows."""

import platform
import sys
from collections.abc import Callable, Iterable
from importlib import metadata

from packaging.requirements import Requirement

from greenfront.checkup import Checked

SHOWN = ("torch", "transformers", "ray", "optuna")


def check_python() -> Checked:
    """The interpreter and the system."""
    found = f"{platform.python_version()}, {platform.system()} {platform.release()}"
    if sys.platform != "linux":
        return Checked(
            "python", "note", found, "measurements are made for Linux: elsewhere processes can't be bound to CPUs"
        )
    return Checked("python", "fine", found)


def check_packages(
    requirements: Iterable[str] | None = None, version: Callable[[str], str] = metadata.version
) -> Checked:
    """Every package that is required without an extra; by default those of the installed Greenfront."""
    wanted = [
        Requirement(text) for text in (metadata.requires("greenfront") if requirements is None else requirements) or ()
    ]
    problems, found = [], {}
    for requirement in wanted:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found[requirement.name] = version(requirement.name)
        except metadata.PackageNotFoundError:
            problems.append((requirement, "is missing"))
            continue
        if not requirement.specifier.contains(found[requirement.name], prereleases=True):
            problems.append((requirement, f"is {found[requirement.name]}"))
    if problems:
        wrong = "; ".join(f"{requirement.name} {what}" for requirement, what in problems)
        fitting = " ".join(f"'{requirement.name}{requirement.specifier}'" for requirement, _ in problems)
        return Checked("packages", "mend", wrong, f"pip install {fitting}")
    shown = ", ".join(f"{name} {found[name]}" for name in SHOWN if name in found)
    return Checked("packages", "fine", f"all {len(found)} are there: {shown}")
