"""The database of `search.storage`, through Optuna: reached, or refused with what would be valid."""

import json
import os
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import optuna
import psutil
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from greenfront.errors import ConfigError, RunError

ASKED = "asked"
"""Attribute of a trial: when it was asked for, which no two trials of a study share."""
HEARTBEAT_SECONDS = 20
GRACE_SECONDS = 60
"""A trial whose driver has given no sign of life for so long is nobody's any more."""
CONNECT_SECONDS = 10
OVER_A_NETWORK = (
    "nfs", "cifs", "smb", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs", "glusterfs", "virtiofs", "vboxsf", "davfs",
    "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.juicefs",
)  # fmt: skip
"""How the types of file systems begin on which SQLite's locks can't be relied on (sqlite.org/faq.html, question 5)."""


class ClosedError(Exception):
    """Nothing is created any more: whoever wrote here has been told to end."""


class Storage(RDBStorage):
    """Optuna's, but creating a trial that stands there already gives that one.

    Where the server dies before it answers, nobody knows whether the trial was written; Optuna creates it again, up to
    five times, and so does `Mirror`.
    """

    closed = False

    def _get_prepared_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None, session: Session
    ) -> models.TrialModel:
        """Called on each of Optuna's tries, in the transaction that has locked the study."""
        if self.closed:
            raise ClosedError
        found = None if template_trial is None else _find(study_id, template_trial, session)
        return found or super()._get_prepared_new_trial(study_id, template_trial, session)


def _find(study_id: int, trial: FrozenTrial, session: Session) -> models.TrialModel | None:
    """The latest row of a trial; failed ones only for a failed trial, since others are given a new row."""
    row, attribute = models.TrialModel, models.TrialUserAttributeModel
    query = session.query(row).join(attribute, attribute.trial_id == row.trial_id)
    query = query.filter(row.study_id == study_id, attribute.key == ASKED)
    query = query.filter(attribute.value_json == json.dumps(trial.user_attrs.get(ASKED)))
    if trial.state != TrialState.FAIL:
        query = query.filter(row.state != TrialState.FAIL)
    return query.order_by(row.trial_id.desc()).first()


def check_storage(url: str | None) -> None:
    """Raise what `connect` does, where a storage is asked for."""
    if url is not None:
        connect(url).engine.dispose()


def connect(url: str) -> Storage:
    """The storage of a URL, its tables made where there are none yet.

    Raises:
        ConfigError: no URL that SQLAlchemy knows, its driver isn't installed, or SQLite over a network.
        RunError: the database can't be reached, or is one of another version of Optuna.
    """
    scheme, _, rest = url.partition("://")
    arguments: dict[str, Any] = {}
    if scheme.startswith("sqlite"):
        _check_disk(url)
        arguments = {"timeout": CONNECT_SECONDS}
    elif scheme.startswith("postgresql"):
        arguments = {"connect_timeout": CONNECT_SECONDS}
    # SQLAlchemy's choice of a driver differs between its versions.
    full = f"postgresql+psycopg://{rest}" if scheme == "postgresql" else url
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            return Storage(
                full, {"pool_pre_ping": True, "connect_args": arguments},
                heartbeat_interval=HEARTBEAT_SECONDS, grace_period=GRACE_SECONDS,
            )  # fmt: skip
        except ImportError as error:
            how = "pip install 'greenfront[postgresql]'" if "psycopg" in full else "SQLAlchemy's documentation names it"
            raise ConfigError(f"search.storage: the driver for {scheme}:// must be installed: {how}") from error
        except ArgumentError as error:
            rule = "must be a URL that SQLAlchemy knows, such as postgresql://USER@HOST/DATABASE or sqlite:///FILE"
            raise ConfigError(f"search.storage: {rule}, but got {url!r}") from error
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            lines = str(getattr(error, "orig", None) or error.__cause__ or error).strip().splitlines()
            raise RunError(f"search.storage: {url} can't be reached: {lines[0].strip()}") from error
        except RuntimeError as error:
            raise RunError(f"search.storage: {url} is one of another version of Optuna: {error}") from error


def _check_disk(url: str) -> None:
    """Raise ConfigError where the file would lie on a disk of another machine."""
    file = Path(os.path.realpath(unquote(urlsplit(url).path).removeprefix("/") or "."))
    mounts = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    place = next((parent for parent in (file, *file.parents) if parent in mounts), None)
    kind = "" if place is None else mounts[place]
    if kind.startswith(OVER_A_NETWORK):
        raise ConfigError(
            f"search.storage: SQLite must lie on a disk of this machine, but {place} is {kind}, where its locks can't "
            "be relied on; take PostgreSQL, or leave it out: the run folder itself may lie there"
        )
