"""A run folder as a page that follows it: built anew when something has changed, and never more often than is cheap."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from optuna.trial import FrozenTrial

from greenfront.config import RunConfig
from greenfront.errors import GreenfrontError
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search.finishing import scored_candidates
from greenfront.search.folder_lock import holder
from greenfront.search.followed import FollowedJournal, FollowedLog
from greenfront.search.front import Front
from greenfront.search.history import History
from greenfront.search.journal import Result
from greenfront.search.limits import without
from greenfront.search.outset import Outset
from greenfront.search.progress import Silent
from greenfront.search.remembering import RememberingProfile
from greenfront.search.report import WAITING, report_page, waiting_page
from greenfront.search.run_folder import RunFolder
from greenfront.search.status import standing
from greenfront.search.summary import unreachable_budgets
from greenfront.search.told import known_of, run_info
from greenfront.search.verify import judge

Told = Sequence[tuple[FrozenTrial, Result]]
RESTS = 10
"""After a page that took a second to build none is built for so many: what is watched has the machine."""


OLDER = (
    "An earlier version of Greenfront began this search, and it has no front yet. The report is here once "
    "`greenfront search FILE` goes on, or it has ended; until then `greenfront show` lists its trials."
)


class FollowedRun:
    """Reads only, so that it may be another user's folder, or one that a cluster's nodes share.

    Whether something has changed is told by names, times and sizes of files. What stands in `front.json` counts where
    it has all scored trials of the journal, whatever the clocks of several machines say; else the front is made of the
    journal.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._journal, self._log = FollowedJournal(run.study), FollowedLog(run.log)
        self._lock = Lock()
        self._config, self._front = run.load_config(), self._kept_front()
        self._built, self._page = "", b""
        self._profiles: dict[str, tuple[str, RememberingProfile]] = {}  # by target, with what was seen of its file
        self._rested = 0.0
        self._trouble = ""

    def state(self) -> dict[str, Any]:
        """What `page` would answer is called (`page`), whether a process is at work, and where it stands in words."""
        with self._lock:
            who = holder(self._run.path)
            results = [result for _, result in self._journal.read()[0]]
            said = standing(who, results, self._config.search.trials, self._front)
            stage = str(self._log.stage()) if who is not None else ""
            words = [said, stage, self._trouble and f"the page is not up to date: {self._trouble}"]
            return {
                "page": self._offered(),
                "running": who is not None,
                "standing": ". ".join(filter(None, words)) + ".",
            }

    def page(self) -> tuple[str, bytes]:
        """What the page is called, and its HTML.

        Raises:
            GreenfrontError: the first one can't be built; of later ones the last stays, and `state` says why.
        """
        with self._lock:
            if (wanted := self._offered()) != self._built:
                self._build(wanted)
            return self._built, self._page

    def _offered(self) -> str:
        """Of the run as it is now, or of what is built while there is no need for another."""
        return self._built if self._built and time.monotonic() < self._rested else self._signature()

    def _build(self, name: str) -> None:
        began = time.monotonic()
        try:
            page = self._html(name)
        except (GreenfrontError, OSError, ValueError) as error:  # half of a change; or a file that is damaged
            if not self._built:
                raise
            self._trouble = str(error)
        else:
            self._built, self._page, self._trouble = name, page.encode(), ""
        now = time.monotonic()
        self._rested = now + RESTS * (now - began)

    def _html(self, name: str) -> str:
        run = self._run
        self._config, self._front = run.load_config(), self._kept_front()
        told, attributes = self._journal.read()
        outset, profiles = Outset.in_attributes(attributes), self._measured_profiles()
        unreachable = outset.unreachable if outset is not None else unreachable_budgets(run)
        config, front = self._config, self._front
        if not _has_all(front, told) and outset is not None and len(profiles) == len(config.hardware):
            front = _front_of(run, config, outset, told, profiles, front)
        if front is None or not (front.candidates or told):
            said = OLDER if told and outset is None else WAITING
            return waiting_page(str(run.path), run_info(run), name, said)
        searched = without(config, unreachable)
        history = History.of(run, searched, front.original, profiles, told) if profiles else None
        slower = () if outset is None else outset.left_out
        return report_page(front, run.path, known_of(run, config, profiles, slower, history, Silent()), live=name)

    def _measured_profiles(self) -> dict[str, HardwareProfile]:
        """Those that are there already; one that is as it was remembers what it has predicted."""
        paths = {target.name: self._run.profile(target.name) for target in self._config.hardware}
        for name, path in paths.items():
            if path.exists() and self._profiles.get(name, ("",))[0] != (seen := _seen(path)):
                self._profiles[name] = seen, RememberingProfile.of(HardwareProfile.load(path))
        return {name: self._profiles[name][1] for name, path in paths.items() if path.exists()}

    def _kept_front(self) -> Front | None:
        return Front.load(self._run.front) if self._run.front.exists() else None

    def _signature(self) -> str:
        """A name for what the folder holds."""
        run = self._run
        files = [run.config, run.environment, run.study, run.front, run.significance, run.analysis, run.summary]
        for folder in ("profiles", "measured", "finished"):
            files += sorted((run.path / folder).glob("*"))
        return hashlib.sha256("\n".join(map(_seen, files)).encode()).hexdigest()[:16]


def _seen(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return f"{path.name} -"
    return f"{path.name} {found.st_ino} {found.st_mtime_ns} {found.st_size}"


def _has_all(front: Front | None, told: Told) -> bool:
    """Whether a front has every scored trial."""
    if front is None:
        return False
    known = {candidate.id for candidate in (front.original, *front.candidates)}
    return bool(front.candidates) and all(r.plan.id in known for _, r in told if r.state == "scored")


def _front_of(
    run: RunFolder,
    config: RunConfig,
    outset: Outset,
    told: Told,
    profiles: dict[str, HardwareProfile],
    kept: Front | None,
) -> Front:
    """The front of the trials so far, by predicted costs; what `kept` has of measured ones stays."""
    original = kept.original if kept is not None and kept.original.verified else outset.original
    measured = {c.id: c for c in kept.candidates if c.verified} if kept is not None else {}
    scored = scored_candidates(run, [result for _, result in told], original, profiles, config)
    known = {candidate.id: candidate for candidate in scored} | measured
    candidates = judge(original, list(known.values()), config, outset.unreachable)
    targets = tuple(target.name for target in config.hardware)
    return Front(original, candidates, config.data.metric, targets, config.budgets, config.objectives)
