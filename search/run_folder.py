"""The run folder: everything a run knows, written whole or not at all."""

import json
import os
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from greenfront.config import RunConfig, config_differences, load_config, to_yaml
from greenfront.durable import write_atomic
from greenfront.errors import ConfigError, RunError
from greenfront.search.containment import check_contained
from greenfront.search.folder_lock import LOCK, held
from greenfront.search.newer import newer


class RunFolder:
    """Where a run keeps its files; made by `create`, or there already."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def environment(self) -> Path:
        """Versions and fingerprints of machine and data."""
        return self.path / "environment.json"

    @property
    def original(self) -> Path:
        """The original model as a checkpoint, fine-tuned where its head was untrained."""
        return self.path / "original"

    @property
    def trimmed(self) -> Path:
        """The original with the tokens that the task's data use, where that was asked for."""
        return self.path / "trimmed"

    @property
    def base(self) -> Path:
        """What candidates are built from: the original, or the trimmed one."""
        return self.trimmed if self.trimmed.exists() else self.original

    @property
    def teacher(self) -> Path:
        """The original's logits on the examples that trials train on and are scored on."""
        return self.path / "teacher.safetensors"

    @property
    def library(self) -> Path:
        """The folder of the decompositions."""
        return self.path / "library"

    @property
    def significance(self) -> Path:
        """Predicted loss of every setting."""
        return self.path / "significance.json"

    @property
    def analysis(self) -> Path:
        """Which blocks, heads and neurons the original's answers need."""
        return self.path / "analysis.json"

    @property
    def analysis_page(self) -> Path:
        """The analysis as a page."""
        return self.path / "analysis.html"

    @property
    def study(self) -> Path:
        """Optuna's journal."""
        return self.path / "study.journal"

    @property
    def paused(self) -> Path:
        """The folder of what paused trials go on from, while there are any."""
        return self.path / "paused"

    def measured(self, target: str) -> Path:
        """What verification measured on a target: every finalist's costs with raw samples, conditions and warnings."""
        return self.path / "measured" / f"{target}.json"

    @property
    def front(self) -> Path:
        """The results."""
        return self.path / "front.json"

    @property
    def picture(self) -> Path:
        """The front as a PNG."""
        return self.path / "front.png"

    @property
    def report(self) -> Path:
        """The front as a page."""
        return self.path / "report.html"

    @property
    def summary(self) -> Path:
        """What the search itself took: seconds per stage, busy share of the workers."""
        return self.path / "summary.json"

    @property
    def log(self) -> Path:
        """Everything that was said."""
        return self.path / "log.txt"

    def profile(self, target: str) -> Path:
        """A target's hardware profile."""
        return self.path / "profiles" / f"{target}.json"

    def candidate(self, id_: str) -> Path:
        """A candidate's checkpoint, the finished one where there is one; the original's for `original`."""
        finished = self.finishing(id_) / "model"
        kept = finished if finished.exists() else self.path / "candidates" / id_
        return self.original if id_ == "original" else kept

    def outputs(self, id_: str) -> Path:
        """What the metric needs of the outputs on validation of a candidate's checkpoint."""
        finished = self.finishing(id_) / "model"
        beside = self.finishing(id_) / "outputs.safetensors"
        return beside if finished.exists() else self.path / "candidates" / f"{id_}.outputs.safetensors"

    def finishing(self, id_: str) -> Path:
        """What finishing made of a candidate: its record, and where it was accepted, checkpoint and outputs."""
        return self.path / "finished" / id_

    @classmethod
    def check(cls, config: RunConfig) -> "RunFolder":
        """The folder that this configuration may have, without touching it; raises RunError as `create` does."""
        assert config.output is not None
        run = cls(Path(os.path.abspath(config.output)))
        if run.path.exists() and not run.path.is_dir():
            raise RunError(f"output: must be a folder, but {run.path} is a file")
        if run.config.exists():
            check_contained(run.path)
            differences = run.differences(config)
            if differences and any((run.path / "profiles").glob("*")):
                raise run.another_configuration(differences)
        elif run.path.exists() and any(path.name != LOCK for path in run.path.iterdir()):
            raise RunError(f"output: {run.path} is not empty and holds no run; choose another folder")
        return run

    @classmethod
    def create(cls, config: RunConfig) -> "RunFolder":
        """The folder of this configuration, new or from an earlier start of the same one.

        An earlier start that ended before anything was measured (a misspelt column) is corrected, not refused.

        Raises:
            RunError: the folder belongs to another configuration, holds something else, or can't be made.
        """
        run = cls.check(config)
        config = config.model_copy(update={"output": run.path})
        if run.config.exists():
            if not run.differences(config):
                return run
            for stale in (run.environment, run.analysis, run.analysis_page):
                stale.unlink(missing_ok=True)
            for folder in (run.original, run.trimmed):
                shutil.rmtree(folder, ignore_errors=True)
        try:
            (run.path / "profiles").mkdir(parents=True, exist_ok=True)
            (run.path / "candidates").mkdir(exist_ok=True)
            (run.path / "measured").mkdir(exist_ok=True)
            write_atomic(run.config, to_yaml(config))
        except OSError as error:
            raise RunError(f"output: {run.path} can't be written: {error.strerror}") from error
        return run

    @classmethod
    def existing(cls, path: Path) -> "RunFolder":
        """The folder of an earlier run; raises RunError when there is none."""
        run = cls(Path(os.path.abspath(path)))
        if not run.config.is_file():
            what = "is not a run folder (it has no config.yaml)" if path.exists() else "does not exist"
            raise RunError(f"{path} {what}; `greenfront search FILE` makes one")
        check_contained(run.path)
        return run

    def alone(self) -> AbstractContextManager[None]:
        """Hold the folder for one search; raises RunError, naming the process, when another one holds it."""
        return held(self.path)

    def load_config(self) -> RunConfig:
        """The configuration the run was started with; raises RunError when it can't be read any more."""
        try:
            return load_config(self.config, locate=False)  # data and model may have moved since
        except ConfigError as error:
            raise RunError(f"{self.config}: can't be read: {error}{newer(self.path)}") from error

    def write_json(self, path: Path, document: Any) -> None:
        """One JSON document, atomically."""
        write_atomic(path, json.dumps(document, indent=1) + "\n")

    def differences(self, config: RunConfig) -> list[tuple[str, object, object]]:
        """What differs from the configuration of the earlier start: (dotted key, value here, value there)."""
        # Where trials run, how long they may, where they are shown and what was trusted changes nothing about them.
        ignored = ("ray.", "output", "search.storage", "search.trial_limit", "data.trust_remote_code")
        return [d for d in config_differences(config, self.load_config()) if not d[0].startswith(ignored)]

    def another_configuration(self, differences: list[tuple[str, object, object]], hint: str = "") -> RunError:
        """The refusal of a folder that was begun with something else."""
        lines = "\n".join(f"  {key}: {here} here, {there} there" for key, here, there in differences)
        return RunError(
            f"output: {self.path} belongs to another configuration; "
            f"choose another folder, or delete it{hint}. What differs:\n{lines}"
        )
