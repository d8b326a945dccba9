"""What can be said of a run that has no front yet, or found nothing to put on one."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from greenfront.errors import BudgetError, GreenfrontError
from greenfront.search.journal import NAME, Result
from greenfront.search.run_folder import RunFolder
from greenfront.search.slack import binding, least


def unfinished(run: RunFolder) -> RenderableType:
    """The scored trials so far, best first, from the journal; only reads."""
    said = run.log.read_text(encoding="utf-8").splitlines() if run.log.exists() else []
    last = said[-1] if said else "nothing was logged"
    head = f"{escape(str(run.path))} has no front yet. Last: {escape(last)}"
    if not run.study.exists():
        return head
    table = Table("id", "validation", "divergence (nats)", "came from", box=None, header_style="bold")
    for trial in _trials(run.study):
        attributes = trial.user_attrs
        if attributes.get("state") in ("scored", "paused"):
            so_far = f", after {attributes['rungs'][-1][0]} steps" if attributes["state"] == "paused" else ""
            table.add_row(
                attributes["plan_id"], f"{attributes['validation']:.4f}", f"{attributes['divergence']:.4f}",
                escape(attributes["origin"]) + so_far,
            )  # fmt: skip
    return Group(head, table)


def nothing_scored(results: Sequence[Result], slacks: Mapping[str, Mapping[str, float]]) -> GreenfrontError:
    """Why a search ended without a single scored candidate; `slacks` are the predicted ones by plan id."""
    failed = [result for result in results if result.state == "failed"]
    if failed or not slacks:
        last = failed[-1].reason if failed else "none was proposed"
        return GreenfrontError(f"no candidate could be scored: {len(failed)} trials failed, the last because: {last}")
    closest = max(slacks, key=lambda id_: least(slacks[id_]))
    return BudgetError(
        f"no plan was found that meets every budget at once, by prediction: the closest of {len(slacks)} proposed is "
        f"{closest}, which misses {binding(slacks[closest])} by {-least(slacks[closest]):.1%} of its limit; "
        f"nothing was fine-tuned"
    )


def _trials(journal: Path) -> list[optuna.trial.FrozenTrial]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(storage=JournalStorage(JournalFileBackend(str(journal))), study_name=NAME)
    return sorted(study.trials, key=lambda trial: trial.user_attrs.get("divergence") or float("inf"))
