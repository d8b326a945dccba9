"""How fast an export is in each form: timed beside the original in fresh processes, against what was searched."""

import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from greenfront.config import RunConfig
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
"""One alone tells what it drew (`processes.py`), enough for what is compared with nothing; and the seconds in each."""
LARGEST_DIFFERENCE = 0.1
"""Between the two ratios, as a share of the one that the search measured: more is worth a warning."""


@dataclass(frozen=True)
class LatencyCheck:
    """The latency of what was written for one runtime, as a share of the original's: as it is here, and as searched."""

    runtime: str
    exported: float
    searched: float | None = None
    """What the search measured in this runtime; None where it measured in others alone."""

    @property
    def note(self) -> str | None:
        """What to say where the two are far from each other, or aren't two."""
        if self.searched is None:
            return f"latency in {self.runtime}: timed now, beside the original there; the search didn't measure it"
        if abs(self.exported / self.searched - 1) <= LARGEST_DIFFERENCE:
            return None
        return (
            f"latency: {self.exported:.3f} of the original's, timed now in {self.runtime}, but {self.searched:.3f} in "
            "front.json; the machine may be busy, or another one"
        )


def check_latency(
    config: RunConfig, original: Path, candidate: Candidate, base: Candidate, written: Mapping[str, Path],
    report: Reporter,
) -> tuple[list[LatencyCheck], list[str]]:  # fmt: skip
    """Time what was written for each runtime, as the first target has it that the search measured in it here.

    A runtime that it measured in nowhere is timed more shortly, as the first target of all but for the runtime. Where
    another process measures just now, this one keeps away: an export goes on beside a running search.

    Args:
        original: the original's checkpoint.
        candidate, base: what the front has of the candidate and of the original.
        written: runtime -> the file or folder for it.

    Returns:
        A check for each form that was timed, and why others weren't, or weren't compared, as sentences.
    """
    configured = [t for t in config.hardware if candidate.measured(t.name) and not t.elsewhere and t.resource is None]
    if not configured:
        return [], ["latency: not compared, since the candidate was never measured on this machine"]
    found, notes = list[LatencyCheck](), list[str]()
    for runtime, export in written.items():
        try:
            targets = [full_target(target, config) for target in configured]
            same = next((target for target in targets if target.runtime == runtime), None)
            target, processes = same or replace(targets[0], runtime=runtime, compile=False), PROCESSES if same else 1
            check_target(target)
            exported = _timed(target, original, export, processes, report)
        except (ConfigError, MeasureError) as error:
            notes.append(f"latency in {runtime}: not compared: {error}")
            continue
        check = LatencyCheck(runtime, exported, _searched(candidate, base, same.name) if same else None)
        found.append(check)
        notes += [check.note] if check.note else []
        if (searched := targets[0].runtime) not in written:
            notes.append(f"latency in {searched}: not compared, though it was searched; --onnx writes a file for it")
    return found, notes


def _searched(candidate: Candidate, base: Candidate, target: str) -> float:
    """The share that the search measured on a target."""
    latency_ms, of_original = (each.costs()[target].latency_ms.median for each in (candidate, base))
    return latency_ms / of_original


def _timed(target: Target, original: Path, export: Path, processes: int, report: Reporter) -> float:
    """The export's latency as a share of the original's, the mean over so many processes."""
    report.stage(f"Timing it beside the original in {target.runtime}")
    ratios = []
    with machine_lock(wait=False), tempfile.TemporaryDirectory(prefix="greenfront-deployed-") as scratch:
        deployed = _deployed(target, original, export, Path(scratch))
        for process in range(processes):
            samples_ms = run_job(Job("latency", target, deployed, process, SECONDS)).samples_ms
            ratios.append(ratio_interval(samples_ms["export"], samples_ms["original"], seed=0).median)
            report.advance(process + 1, processes)
    return statistics.fmean(ratios)


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
