"""The public functions: what `greenfront` offers in Python. Heavy libraries are imported inside them, as needed."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenfront.search import Front, RunFolder, Selection
from greenfront.spaces import Plan, Settings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from greenfront.search.export import Exported
    from greenfront.spaces import Library

__all__ = ["compress", "export", "load", "select"]


def load(folder: str | Path) -> "PreTrainedModel":
    """The model of an exported folder, in evaluation mode; raises DataError when it isn't one."""
    from greenfront.spaces import load_checkpoint

    return load_checkpoint(Path(folder))


def compress(
    model: "PreTrainedModel", plan: Plan | Mapping[str, Settings], library: "Library | None" = None
) -> "PreTrainedModel":
    """A new model with the plan applied; the given one stays as it is. No search is needed.

    `plan` maps module paths to settings, `{"bert.encoder.layer.0.output.dense": {"rank": 64}}`. Weights come from
    the library (`Library.compute`); without one the new modules are untrained.

    Raises:
        PlanError: a module the model hasn't, or settings that the module can't take (a rank above break-even).
    """
    from greenfront.spaces import compress as _compress

    return _compress(model, plan if isinstance(plan, Plan) else Plan(plan), library)


def select(run: str | Path, **wishes: Any) -> Selection:
    """Pick from a run's front: `latency="5 ms"`, `size="50%"`, `accuracy_drop=0.01`, `prefer="knee"`, ...

    >>> chosen = select("runs/my", latency="12 ms", prefer="most_accurate")
    >>> chosen.candidate.costs()["laptop"].latency_ms.median <= 12
    True

    Raises:
        RunError: no front in this folder.
        ConfigError: a wish that can't be read.
        BudgetError: nothing on the front meets the wishes; names the closest and what binds.
    """
    return Front.load(RunFolder.existing(Path(run)).front).select(**wishes)


def export(
    run: str | Path, id_: str, to: str | Path, *, onnx: bool = False, trust_remote_code: bool = False
) -> "Exported":
    """Write a candidate to a folder that `from_pretrained` loads, compared with what was searched; see `Exported`.

    `trust_remote_code`: run the run's metric, where that is a script.

    Raises:
        RunError: no such run or candidate, or the folder is in use.
        GreenfrontError: the export doesn't give the candidate's answers again.
    """
    from greenfront.search.export import export as _export

    return _export(RunFolder.existing(Path(run)), id_, Path(to), onnx=onnx, trust_remote_code=trust_remote_code)
