"""Profiling the targets of a configuration without searching: what `greenfront measure` does."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from greenfront.config import RunConfig
from greenfront.errors import ConfigError
from greenfront.evaluators import load_data, load_original
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search.profiles import check_targets, measure_target
from greenfront.search.progress import Reporter
from greenfront.search.search_space import search_space
from greenfront.search.trimming import trim
from greenfront.spaces import save_checkpoint


def profile_files(config: RunConfig, to: Path | None = None, *, force: bool = False) -> dict[str, Path]:
    """Where the profile of each target goes that is measured: `to`, or TARGET.json in the folder `to` or the current.

    Raises:
        ConfigError: no target is measured, one file for several, no such folder, or (without `force`) a file that is
            there.
    """
    names = [target.name for target in config.hardware if not target.elsewhere]
    if not names:
        raise ConfigError("hardware: every target says `elsewhere: true`; there is none to measure here")
    if to is None or to.is_dir():
        files = {name: (to or Path()) / f"{name}.json" for name in names}
    elif len(names) > 1:
        raise ConfigError(f"--to: must be an existing folder for the targets {', '.join(names)}, but got {str(to)!r}")
    else:
        files = {names[0]: to}
    for path in files.values():
        if path.is_dir() or not path.parent.is_dir():
            what = "is a folder" if path.is_dir() else f"there is no folder {path.parent}"
            raise ConfigError(f"--to: must be a file in an existing folder, but got {str(path)!r}: {what}")
        if path.exists() and not force:
            raise ConfigError(f"{path} exists; nothing was measured. --force writes over it, --to names another file")
    return files


def profile_targets(config: RunConfig, files: Mapping[str, Path], report: Reporter) -> dict[str, HardwareProfile]:
    """Measure these targets and write each one's profile as soon as it is there.

    The model is measured as it stands in its folder: training changes no latency.

    Raises:
        ConfigError, DataError: data, model, space or target that can't be used.
        MeasureError, RunError: a target that can't be measured.
    """
    report.stage("Data and original model")
    data, processor = load_data(config.model, config.data, config.search.seed)
    model, _ = load_original(config.model, data.label_names)
    check_targets(config, model)
    profiles = {}
    with tempfile.TemporaryDirectory(prefix="greenfront-measure-") as scratch:
        original = Path(scratch) / "original"
        if config.space.embeddings.trim:
            model = trim(config, data, processor, model, original, report).model
        else:
            save_checkpoint(model, original)
        space = search_space(model, config)
        for target in config.hardware:
            if target.name in files:
                profiles[target.name] = measure_target(target, config, original, space, report)
                profiles[target.name].save(files[target.name])
    return profiles
