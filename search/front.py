"""What came out of a run: the candidates, which of them are on the Pareto front, and `front.json`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from greenfront.config import COST_OF, BudgetsConfig
from greenfront.durable import write_atomic
from greenfront.errors import GreenfrontError, RunError
from greenfront.evaluators.names import nearest
from greenfront.json_source import parse_json, read_text
from greenfront.search.candidate import Candidate, CandidateScore
from greenfront.search.fields import mapping, only, strings, take
from greenfront.search.newer import UPGRADE, newer
from greenfront.search.quarantined import Quarantined
from greenfront.search.run_folder import RunFolder
from greenfront.search.slack import (
    budget_slack,
    budgets_from_text,
    budgets_to_text,
    minimised,
    missed_budgets,
)
from greenfront.search.wishes import read_wishes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from rich.console import RenderableType

    from greenfront.search.select import Selection

__all__ = [
    "Candidate", "CandidateScore", "Front", "budget_slack", "mark_front", "missed_budgets", "pareto_mask",
]  # fmt: skip

DROP = "delete it, and `greenfront search` writes it again from the trials, for measuring the finalists once more"
"""What to do with a file that can't be read, and what that costs."""
VERSION = 2
KEYS = ("version", "metric", "targets", "budgets", "objectives", "fronts", "original", "candidates")
QUARANTINED = "quarantined"
"""A key that stands there only where there is something to say."""


def pareto_mask(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of `points` (N, D) no other one dominates; every coordinate is minimised. (N,)

    A point dominates another when it is nowhere greater and somewhere less, so duplicates are all kept; a
    point with a NaN neither dominates nor is on the front. Raises ValueError when `points` isn't
    two-dimensional.
    """
    if points.ndim != 2:
        raise ValueError(f"points must be of shape (N, D), but got {points.shape}")
    mask: NDArray[np.bool_] = np.logical_not(np.isnan(points).any(axis=1))
    for index in np.flatnonzero(mask):
        point = points[index]
        mask[index] = not ((points <= point).all(axis=1) & (points < point).any(axis=1)).any()
    return mask


def mark_front(candidates: Sequence[Candidate], objectives: Sequence[str], target: str) -> tuple[Candidate, ...]:
    """The same candidates with `on_front` set: on `target`, non-dominated among the feasible verified ones.

    The objective `accuracy` is the score on validation, maximised, as is `throughput`; other costs on `target` are
    minimised. Give the original along when it shall compete: a feasible original takes those that it dominates off
    the front.

    Raises:
        ConfigError: an objective that is neither `accuracy` nor a cost.
        RunError: a candidate without a cost on `target`.
    """
    runners = [index for index, c in enumerate(candidates) if c.feasible and c.verified]
    points = np.array([[minimised_objective(candidates[i], name, target) for name in objectives] for i in runners])
    mask = pareto_mask(points.reshape(len(runners), len(objectives)))
    winners = {index for index, wins in zip(runners, mask, strict=True) if wins}
    return tuple(replace(c, on_front=index in winners) for index, c in enumerate(candidates))


def minimised_objective(candidate: Candidate, name: str, target: str) -> float:
    """An objective such that less is better; raises as `mark_front`."""
    if name == "accuracy":
        return -candidate.score.validation
    cost = candidate.costs().get(target)
    if cost is None:
        raise RunError(f"candidate {candidate.id}: no cost on target {target!r}")
    return minimised(name, cost)


@dataclass(frozen=True, repr=False)
class Front:
    """Every candidate of a run with the original; `candidates` does not repeat the original.

    `quarantined` are the settings that the search gave up on, as trials with them failed.
    Every target has its own front; that of the first stands in `on_front`, in `members` and on the plots. Budgets
    hold on every target.

    >>> front = Front.load(Path("runs/my/front.json"))
    >>> front  # doctest: +ELLIPSIS
    <Front of ... candidates: accuracy against latency on laptop>
    >>> chosen = front.select(latency_ms=12)
    >>> chosen.candidate in front.members
    True
    >>> bool(front.to_pandas().loc[chosen.candidate.id, "latency_ms"] <= 12)
    True
    >>> front.plot().savefig("front.png")

    Raises:
        RunError: no target, two candidates with one id, or costs of other targets than the front's.
    """

    original: Candidate
    candidates: tuple[Candidate, ...]
    metric: str
    targets: tuple[str, ...]
    budgets: BudgetsConfig
    objectives: tuple[str, ...]
    version: int = VERSION
    quarantined: tuple[Quarantined, ...] = ()

    def __post_init__(self) -> None:
        if not self.targets:
            raise RunError("a front must have at least one target, but got none")
        everyone = (self.original, *self.candidates)
        ids = [candidate.id for candidate in everyone]
        if len(set(ids)) != len(ids):
            twice = sorted({name for name in ids if ids.count(name) > 1})
            raise RunError(f"every candidate must have its own id, but {', '.join(twice)} stands there twice")
        for candidate in everyone:
            if set(candidate.costs()) != set(self.targets) or set(candidate.predicted) != set(self.targets):
                raise RunError(
                    f"candidate {candidate.id!r}: costs must be of {', '.join(self.targets)}, "
                    f"but got {', '.join(candidate.costs()) or 'none'}"
                )

    @property
    def target(self) -> str:
        """The name of the first target."""
        return self.targets[0]

    @property
    def axis(self) -> str:
        """The cost that stands against accuracy: the first cost among the objectives, else `latency`."""
        return next((name for name in self.objectives if name in COST_OF), "latency")

    @property
    def members(self) -> tuple[Candidate, ...]:
        """The candidates on the front of the first target, cheapest first."""
        return self.members_on(self.target)

    def members_on(self, target: str) -> tuple[Candidate, ...]:
        """The candidates on the front of a target, cheapest first."""

        def is_member(c: Candidate) -> bool:
            return c.on_front if target == self.target else target in c.other_fronts

        chosen = [c for c in self.candidates if is_member(c) and c.verified and c.id != self.original.id]
        return tuple(sorted(chosen, key=lambda c: (minimised(self.axis, c.costs()[target]), c.id)))

    def candidate(self, id_: str) -> Candidate:
        """The candidate with this id or with the only id that begins so; `original` is one too.

        Raises:
            RunError: no such candidate, or several that begin so.
        """
        everyone = {c.id: c for c in (self.original, *self.candidates)}
        found = [everyone[id_]] if id_ in everyone else [c for name, c in everyone.items() if name.startswith(id_)]
        if len(found) == 1 and id_:
            return found[0]
        members = ", ".join(c.id for c in self.members) or "none"
        problem = "no candidate" if not found else f"{len(found)} candidates"
        hint = "" if found else nearest(id_, everyone)
        raise RunError(f"{problem} with an id that begins with {id_!r}; on the front: {members}{hint}")

    def select(self, **wishes: Any) -> "Selection":
        """The candidate that meets the wishes best, and why.

        Wishes are `latency_ms=5`, `latency="50%"`, `size="30 MB"`, `accuracy_drop=0.01`, `prefer="knee"`, ...

        Raises:
            ConfigError: a wish that can't be read.
            BudgetError: nothing on the front meets the wishes; names the closest and what binds.
        """
        from greenfront.search.select import select  # it, and what comes below, is of use to few who read a front

        return select(self, **read_wishes(wishes))

    def to_pandas(self) -> "pd.DataFrame":
        """A row a candidate, the original first; see `frame`."""
        from greenfront.search.frame import frame

        return frame(self)

    def plot(self) -> "Figure":
        """A figure of Matplotlib: accuracy against the measured cost; see `draw_front`."""
        from greenfront.search.plot import draw_front

        return draw_front(self)

    def located(self, run: RunFolder) -> "Front":
        """The same front, whose candidates know where their weights are in a run folder."""

        def at(candidate: Candidate) -> Candidate:
            path = run.candidate(candidate.id)
            return replace(candidate, checkpoint=path) if (path / "config.json").is_file() else candidate

        return replace(self, original=at(self.original), candidates=tuple(map(at, self.candidates)))

    def __repr__(self) -> str:
        found = f"{len(self.members)} candidate{'' if len(self.members) == 1 else 's'}"
        return f"<Front of {found}: {self.metric} against {self.axis} on {', '.join(self.targets)}>"

    def __rich__(self) -> "RenderableType":
        from greenfront.search.table import front_table

        return front_table(self)

    def _repr_html_(self) -> str:
        """The members and the original, in a notebook."""
        table = self.to_pandas()
        shown: str = table.loc[[self.original.id, *(member.id for member in self.members)]].to_html()
        return shown

    def to_json(self) -> str:
        """The document `front.json`, indented."""
        document: dict[str, Any] = {
            "version": self.version,
            "metric": self.metric,
            "targets": list(self.targets),
            "budgets": budgets_to_text(self.budgets),
            "objectives": list(self.objectives),
            "fronts": {target: [member.id for member in self.members_on(target)] for target in self.targets},
            "original": self.original.to_dict(),
            "candidates": [candidate.to_dict() for candidate in self.candidates],
        }
        if self.quarantined:
            document[QUARANTINED] = [each.to_dict() for each in self.quarantined]
        return json.dumps(document, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Front":
        """Inverse of `to_json`; raises RunError that says what is wrong and where."""
        try:
            raw = mapping(parse_json(text), "the document")
        except ValueError as error:
            raise RunError(f"must be JSON, but {error}") from error
        version = take(raw, "version", int, "the document")
        if version > VERSION:
            raise RunError(
                f"a newer Greenfront wrote it: version must be at most {VERSION}, but is {version}; {UPGRADE}"
            )
        if version != VERSION:
            raise RunError(f"version must be {VERSION}, but got {version}")
        only({key: value for key, value in raw.items() if key != QUARANTINED}, KEYS, "the document")
        candidates = take(raw, "candidates", list, "the document")
        targets = strings(raw, "targets", "the document")
        fronts = only(take(raw, "fronts", dict, "the document"), targets, "fronts")
        members = {target: strings(fronts, target, "fronts") for target in targets}
        try:
            found = [Candidate.from_dict(c, f"candidates[{i}]") for i, c in enumerate(candidates)]
            return cls(
                original=Candidate.from_dict(raw["original"], "original"),
                candidates=tuple(
                    replace(c, other_fronts=tuple(target for target in targets[1:] if c.id in members[target]))
                    for c in found
                ),
                metric=take(raw, "metric", str, "the document"),
                targets=targets,
                budgets=budgets_from_text(take(raw, "budgets", dict, "the document")),
                objectives=strings(raw, "objectives", "the document"),
                quarantined=tuple(
                    Quarantined.from_dict(each, f"{QUARANTINED}[{i}]")
                    for i, each in enumerate(take(raw, QUARANTINED, list, "the document") if QUARANTINED in raw else ())
                ),
            )
        except RunError:
            raise
        except GreenfrontError as error:
            raise RunError(str(error)) from error

    def save(self, path: Path) -> None:
        """Write `front.json` so that a reader sees the old or the new one whole, even in a crash."""
        write_atomic(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> "Front":
        """Read `front.json`; raises RunError with the path when it is missing or not a front."""
        try:
            text = read_text(path)
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: can't be read as a front: {error}; {DROP}") from error
        try:
            return cls.from_json(text).located(RunFolder(path.parent))
        except RunError as error:
            hint = newer(path.parent) or f"; {DROP}"
            raise RunError(f"{path}: not a front of this version: {error}{hint}") from error
