"""What paused trials go on from, on disk: a file each, whole or not there, as long as they may go on."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from greenfront.durable import replacing
from greenfront.search.training_state import Part, Weights

_STEPS = "steps"


class PausedStates:
    """The states of paused trainings in a folder, by plan id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, plan_id: str, steps: int, state: Weights) -> None:
        """Keep the state after so many steps in the place of an earlier one."""
        with replacing(self._path(plan_id)) as partial:
            self._folder.mkdir(exist_ok=True)
            save_file(dict(state), partial, metadata={_STEPS: str(steps)})

    def part(self, plan_id: str, stop: int) -> Part:
        """What is left to do up to `stop` steps: all of it where no state is kept, or one that can't be read."""
        path = self._path(plan_id)
        try:
            with safe_open(path, framework="numpy") as file:
                steps = int(file.metadata()[_STEPS])
            return Part(steps, stop, load_file(path)) if 0 < steps <= stop else Part(0, stop)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return Part(0, stop)

    def drop(self, plan_id: str) -> None:
        """Delete the state of a trial that is finished or won't go on."""
        self._path(plan_id).unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete whatever is left: nothing goes on any more."""
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                path.unlink(missing_ok=True)
            self._folder.rmdir()

    def _path(self, plan_id: str) -> Path:
        return self._folder / f"{plan_id}.safetensors"
