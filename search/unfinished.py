"""What can be said of a run that has no front yet."""

from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from greenfront.search.run_folder import RunFolder
from greenfront.search.study import NAME


def unfinished(run: RunFolder) -> RenderableType:
    """The scored trials so far, best first, from the journal; only reads."""
    last = run.log.read_text(encoding="utf-8").splitlines()[-1] if run.log.exists() else "nothing was logged"
    head = f"{escape(str(run.path))} has no front yet. Last: {escape(last)}"
    if not run.study.exists():
        return head
    table = Table("id", "validation", "divergence (nats)", "came from", box=None, header_style="bold")
    for trial in _trials(run.study):
        attributes = trial.user_attrs
        if attributes.get("state") == "scored":
            table.add_row(
                attributes["plan_id"], f"{attributes['validation']:.4f}", f"{attributes['divergence']:.4f}",
                escape(attributes["origin"]),
            )  # fmt: skip
    return Group(head, table)


def _trials(journal: Path) -> list[optuna.trial.FrozenTrial]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(storage=JournalStorage(JournalFileBackend(str(journal))), study_name=NAME)
    return sorted(study.trials, key=lambda trial: trial.user_attrs.get("divergence") or float("inf"))
