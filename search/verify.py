"""Verification: finalists measured end to end on the quiet machine, and scored on the test split, once."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import torch
from safetensors.numpy import load_file

from greenfront.config import RunConfig
from greenfront.evaluators import Examples, Outputs, TaskData, answer, bootstrap_interval, score, tied
from greenfront.hardware_profiles import HardwareProfile
from greenfront.hardware_profiles.cost import Cost
from greenfront.json_source import read_json
from greenfront.search.candidate import Candidate, CandidateScore
from greenfront.search.droppable import droppable
from greenfront.search.front import mark_front
from greenfront.search.journal import Result
from greenfront.search.measurer import measurer_of
from greenfront.search.progress import Reporter
from greenfront.search.run_folder import RunFolder
from greenfront.search.slack import missed_budgets
from greenfront.spaces import Plan, load_checkpoint


def unverified(
    results: Sequence[Result], original: Candidate, profiles: Mapping[str, HardwareProfile], config: RunConfig
) -> list[Candidate]:
    """Every scored result as a candidate with predicted costs only."""
    found = []
    for result in results:
        if result.state != "scored" or result.validation is None or not result.plan:
            continue
        predicted = {name: profile.predict(result.plan) for name, profile in profiles.items()}
        over = missed_budgets(predicted, result.validation, original, config.budgets)
        found.append(
            Candidate(
                id=result.plan.id,
                plan=result.plan,
                score=CandidateScore(config.data.metric, result.validation),
                cost=None,
                predicted=predicted,
                feasible=not over,
                missed=over,
                origin=result.origin,
                untrained=result.untrained,
            )
        )
    return found


def verify(
    finalists: Sequence[Candidate],
    original: Candidate,
    profiles: Mapping[str, HardwareProfile],
    data: TaskData,
    original_test: Examples,
    config: RunConfig,
    run: RunFolder,
    report: Reporter,
) -> tuple[Candidate, list[Candidate]]:
    """The original and the finalists with measured costs and test scores, ties and front marked.

    `original_test`: the test split as the original reads it, which may know more tokens than candidates.
    Membership of the front is decided on validation and measured cost, so that the test score stays unbiased.
    """
    folders = {candidate.id: run.candidate(candidate.id) for candidate in (original, *finalists)}
    costs: dict[str, dict[str, Cost]] = {id_: {} for id_ in folders}
    for target in config.hardware:
        name = target.name
        if target.elsewhere:  # its machine isn't here: its costs stay predicted
            continue
        with measurer_of(target, config.ray) as measurer:
            word = "finalist" if len(finalists) == 1 else "finalists"
            title = f"Measuring {len(finalists)} {word} and the original for target {name}"
            report.stage(title, target.seconds)
            measured = measurer.candidates(
                profiles[name].target, folders, seed=config.search.seed, progress=report.advance
            )
        run.write_json(run.measured(name), {id_: asdict(found) for id_, found in measured.items()})
        for id_, found in measured.items():
            costs[id_][name] = found.cost
        for warning in dict.fromkeys(warning for found in measured.values() for warning in found.warnings):
            report.note(f"{name}: {warning}")
    report.stage("Scoring them on the test split")
    report.advance(0, len(folders))
    outputs: dict[str, Outputs] = {}
    for done, (id_, folder) in enumerate(folders.items()):
        test = original_test if id_ == original.id else data.test
        outputs[id_] = answer(load_checkpoint(folder), test, config.data.metric)
        report.advance(done + 1, len(folders))
    checked = [_checked(c, costs[c.id], outputs[c.id], config.search.seed) for c in (original, *finalists)]
    base = checked[0]
    judged = []
    for candidate in checked:
        over = missed_budgets(candidate.costs(), candidate.score.validation, base, config.budgets)
        judged.append(replace(candidate, feasible=not over, missed=over))
    return judged[0], _tied(judged[1:], run)


def _tied(candidates: Sequence[Candidate], run: RunFolder) -> list[Candidate]:
    """Mark ties. On validation, as selecting prefers the cheaper of two tied ones and must not see the test split."""
    outputs = {c.id: Outputs(c.score.metric, load_file(run.outputs(c.id))["statistics"]) for c in candidates}
    return [
        replace(c, tied=tuple(i for i, other in outputs.items() if i != c.id and tied(outputs[c.id], other, seed=0)))
        for c in candidates
    ]


def measuring_warnings(run: RunFolder, config: RunConfig) -> dict[str, list[str]]:
    """What was said while the finalists were measured, by target; nothing for those that weren't measured."""
    found = {}
    for target in config.hardware:
        if run.measured(target.name).exists():
            with droppable(run.measured(target.name), "its raw samples and warnings are forgotten, no result is"):
                measured = read_json(run.measured(target.name))
                said = [warning for each in measured.values() for warning in each["warnings"]]
            found[target.name] = list(dict.fromkeys(said))
    return found


def judge(
    original: Candidate, candidates: Sequence[Candidate], config: RunConfig, ignored: Sequence[str] = ()
) -> tuple[Candidate, ...]:
    """Mark every target's front, among candidates that miss no budget but the `ignored` ones (which none can meet).

    The original competes: what is slower and worse than it is not on the front. Where no verified candidate is left
    then, every verified one competes: a front is always worth seeing.
    """
    eligible = [replace(c, feasible=not set(c.missed) - set(ignored)) for c in candidates]
    if not any(c.feasible and c.verified for c in eligible):
        eligible = [replace(c, feasible=True) for c in eligible]
    base = replace(original, feasible=not set(original.missed) - set(ignored))
    fronts = {
        target.name: {c.id for c in mark_front([base, *eligible], config.objectives, target.name) if c.on_front}
        for target in config.hardware
    }
    first, *others = fronts
    return tuple(
        replace(c, on_front=c.id in fronts[first], other_fronts=tuple(name for name in others if c.id in fronts[name]))
        for c in candidates
    )


def original_candidate(
    validation: float, profiles: Mapping[str, HardwareProfile], config: RunConfig, *, trimmed: int = 0
) -> Candidate:
    """The original before verification: its costs as profiled, its score on validation.

    `trimmed`: parameters of the original that what was profiled hasn't.
    """
    return Candidate(
        id="original", plan=Plan(), score=CandidateScore(config.data.metric, validation), cost=None,
        predicted={name: _untrimmed(profile.original, trimmed) for name, profile in profiles.items()}, feasible=True,
        origin="original",
    )  # fmt: skip


def _untrimmed(cost: Cost, parameters: int) -> Cost:
    """The cost with so many parameters more, which are looked up and not multiplied, in float32."""
    mb = parameters * torch.float32.itemsize / 1e6
    return replace(
        cost,
        parameters=cost.parameters + parameters,
        size_mb=cost.size_mb + mb,
        peak_memory_mb=cost.peak_memory_mb + mb,
    )


def _checked(candidate: Candidate, cost: dict[str, Cost], outputs: Outputs, seed: int) -> Candidate:
    found = replace(candidate.score, test=score(outputs).value, test_interval=bootstrap_interval(outputs, seed=seed))
    return replace(candidate, cost=cost, score=found, verified=True)
