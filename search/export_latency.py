"""How fast an export is: timed beside the original in fresh processes, against what the search measured."""

import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from greenfront.config import RunConfig, TargetConfig
from greenfront.errors import ConfigError, MeasureError
from greenfront.hardware_profiles import Target, check_target
from greenfront.hardware_profiles.jobs import Job
from greenfront.hardware_profiles.lock import machine_lock
from greenfront.hardware_profiles.onnx_export import export_onnx
from greenfront.hardware_profiles.onnx_runtime import OnnxRuntime
from greenfront.hardware_profiles.spawn import run_job
from greenfront.hardware_profiles.statistics import ratio_interval
from greenfront.hardware_profiles.workload import workload
from greenfront.search.candidate import Candidate
from greenfront.search.profiles import full_target
from greenfront.search.progress import Reporter
from greenfront.spaces import load_checkpoint

PROCESSES, SECONDS = 4, 1.0
"""One alone tells what it drew (`processes.py`); and the seconds of timing in each."""
LARGEST_DIFFERENCE = 0.1
"""Between the two ratios, as a share of the one that the search measured: more is worth a warning."""


@dataclass(frozen=True)
class LatencyCheck:
    """A candidate's latency as a share of the original's: as the search measured it, and as its export has it here."""

    runtime: str
    searched: float
    exported: float

    @property
    def warning(self) -> str | None:
        """What to say where the two are far from each other."""
        if abs(self.exported / self.searched - 1) <= LARGEST_DIFFERENCE:
            return None
        return (
            f"latency: {self.exported:.3f} of the original's, timed now in {self.runtime}, but {self.searched:.3f} in "
            "front.json; the machine may be busy, or another one"
        )


def check_latency(
    config: RunConfig, original: Path, candidate: Candidate, base: Candidate, written: Mapping[str, Path],
    report: Reporter,
) -> LatencyCheck | str:  # fmt: skip
    """Time what was `written` for the runtime of the first target that was measured on this machine.

    Where another process measures just now, this one keeps away: an export goes on beside a running search.

    Args:
        original: the original's checkpoint.
        candidate, base: what the front has of the candidate and of the original.
        written: runtime -> the file or folder for it.

    Returns:
        The check, or why there is none, as a sentence.
    """
    targets = [t for t in config.hardware if candidate.measured(t.name) and not t.elsewhere and t.resource is None]
    if not targets:
        return "latency: not compared, since the candidate was never measured on this machine"
    fitting = [target for target in targets if target.runtime in written]
    if not fitting:
        return f"latency: not compared, since it was measured in {targets[0].runtime}; --onnx writes a file for it"
    try:
        return _timed(fitting[0], config, original, candidate, base, written, report)
    except (ConfigError, MeasureError) as error:
        return f"latency: not compared: {error}"


def _timed(
    config_target: TargetConfig, config: RunConfig, original: Path, candidate: Candidate, base: Candidate,
    written: Mapping[str, Path], report: Reporter,
) -> LatencyCheck:  # fmt: skip
    target = full_target(config_target, config)
    check_target(target)
    report.stage("Timing it beside the original")
    ratios = []
    with machine_lock(wait=False), tempfile.TemporaryDirectory(prefix="greenfront-deployed-") as scratch:
        deployed = _deployed(target, original, written[target.runtime], Path(scratch))
        for process in range(PROCESSES):
            samples_ms = run_job(Job("latency", target, deployed, process, SECONDS)).samples_ms
            ratios.append(ratio_interval(samples_ms["export"], samples_ms["original"], seed=0).median)
            report.advance(process + 1, PROCESSES)
    costs = [each.costs()[target.name].latency_ms.median for each in (candidate, base)]
    return LatencyCheck(target.runtime, costs[0] / costs[1], statistics.fmean(ratios))


def _deployed(target: Target, original: Path, export: Path, scratch: Path) -> dict[str, str]:
    """Where the original and the export lie for a latency job; what the runtime needs of the original is made here."""
    if target.runtime != OnnxRuntime.name:
        return {"original": str(original.resolve()), "export": str(export.resolve())}
    from greenfront.hardware_profiles.onnx_session import save_inputs  # ONNX Runtime is an extra

    model = load_checkpoint(original)
    files = {name: scratch / name / "model.onnx" for name in ("original", "export")}
    for name, each in (("original", model), ("export", load_checkpoint(export.parent))):
        files[name].parent.mkdir()  # each with inputs of its own: a trimmed vocabulary has fewer tokens
        save_inputs({key: value.numpy() for key, value in workload(each, target).items()}, files[name])
    export_onnx(model, workload(model, target), files["original"])
    files["export"].symlink_to(export.resolve())
    return {name: str(file) for name, file in files.items()}
