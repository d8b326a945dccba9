"""How a search went, from its journal: what the report's figures of it are drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from optuna.trial import FrozenTrial

from greenfront.config import RunConfig
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search.candidate import Candidate
from greenfront.search.hypervolume import Progression
from greenfront.search.journal import Result, result_of, trials_in
from greenfront.search.run_folder import RunFolder
from greenfront.search.taken_over import taken_over


@dataclass(frozen=True)
class Tried:
    """A trial whose training was begun: of this study, or taken over from an earlier configuration's."""

    trial: FrozenTrial
    result: Result
    stored: bool = False


@dataclass(frozen=True)
class Reached:
    """What was known when a trial ended."""

    tried: Tried
    trials: int
    """How many had ended by then, or were begun before and have been stopped on a rung."""
    seconds: float
    """Since the first trial; while nothing ran, as between two starts of a run, no time passes (see `known_spans`)."""
    hypervolume: float
    """Share of `Progression`'s box."""


@dataclass(frozen=True)
class History:
    """All trials in the order of the study, and how its hypervolume grew."""

    metric: str
    steps: int
    """Of a whole training."""
    rungs: tuple[int, ...]
    """Steps at which trials were scored, the whole training last; empty without a ladder."""
    tried: tuple[Tried, ...]
    curve: tuple[Reached, ...]
    """In the order in which trials ended."""
    rejected: tuple[Result, ...] = ()
    """Plans that were proposed and never trained, as they were predicted to miss a budget."""

    @classmethod
    def of(
        cls,
        run: RunFolder,
        config: RunConfig,
        original: Candidate,
        profiles: Mapping[str, HardwareProfile],
        told: Sequence[tuple[FrozenTrial, Result]] | None = None,
    ) -> "History | None":
        """That of a run's journal, None where it has no trial; `config` has the budgets that were searched within.

        `told`: what the journal holds, where that is known already.
        """
        stored = taken_over(run)
        if told is None:
            told = [(trial, result_of(trial)) for trial in trials_in(run.study)]
        every = [Tried(trial, result, result.plan in stored) for trial, result in told if result.state != "rejected"]
        if not every:
            return None
        return cls(
            metric=config.data.metric,
            steps=config.fine_tune.steps,
            rungs=config.search.rungs or (),
            tried=tuple(every),
            curve=_curve(every, Progression(config, original), profiles),
            rejected=tuple(result for _, result in told if result.state == "rejected"),
        )


def known_spans(trial: FrozenTrial, result: Result) -> list[tuple[datetime, datetime]]:
    """When (begin, end) a trial was trained and scored, as far as its journal says; none where a clock was set back.

    On a ladder: up to its lowest rung, and after its last one. Between them it waits, over an end of the run too, and
    when the rungs between were climbed isn't known.
    """
    begin, end = trial.datetime_start, trial.datetime_complete
    if begin is None:
        return []
    if not result.rungs:
        # It may have been asked for by an earlier start, and was asked for while another one ran.
        return [] if end is None or end < begin else [(max(begin, end - timedelta(seconds=result.seconds)), end)]
    first = (begin, begin + timedelta(seconds=result.rungs[0].seconds))
    last = timedelta(seconds=result.seconds - sum(rung.seconds for rung in result.rungs))
    return [first] if end is None or end < begin else [first, (end - last, end)]


def busy_seconds(spans: Sequence[tuple[datetime, datetime]], moments: Sequence[datetime]) -> list[float]:
    """How much of the time before each moment is covered by spans (begin, end), in seconds."""
    merged: list[tuple[datetime, datetime]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return [
        sum((min(end, moment) - begin).total_seconds() for begin, end in merged if begin < moment) for moment in moments
    ]


def _curve(
    every: Sequence[Tried], progression: Progression, profiles: Mapping[str, HardwareProfile]
) -> tuple[Reached, ...]:
    spans = [(each.trial.datetime_start, each.trial.datetime_complete, each) for each in every]
    ended = [(begin, end, each) for begin, end, each in spans if begin is not None and end is not None]
    ended.sort(key=lambda span: (span[1], span[2].trial.number))
    stopped = [begin for begin, end, _ in spans if begin is not None and end is None]
    busy = [span for each in every for span in known_spans(each.trial, each.result)]
    seconds = busy_seconds(busy, [end for _, end, _ in ended])
    results = [each.result for _, _, each in ended]
    predicted = [{name: profile.predict(result.plan) for name, profile in profiles.items()} for result in results]
    return tuple(
        Reached(each, place + sum(begin <= end for begin in stopped), spent, float(volume))
        for place, ((_, end, each), spent, volume) in enumerate(
            zip(ended, seconds, progression.after(results, predicted), strict=True), start=1
        )
    )
