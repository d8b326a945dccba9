"""Everything about one candidate as plain text, for the report's panel and the terminal."""

from greenfront.search import wording
from greenfront.search.candidate import Candidate
from greenfront.search.finish_record import Finished
from greenfront.search.front import Front
from greenfront.search.plan_text import plan_lines

UNTRAINED = "untrained: its weights are as it was built, fine-tuning was not needed or made it no better"


def details(front: Front, candidate: Candidate) -> str:
    """A candidate in plain text: scores, costs measured and predicted on every target, origin, plan."""
    score, original = candidate.score, front.original
    line = f"{front.metric}: {wording.score(score.validation, front.metric)} validation"
    if score.test is not None:
        line += f", {wording.tested(score)} test"
    lines = [f"{candidate.id}: {_place(front, candidate)}, {verdict(candidate)}", line]
    for target in front.targets:
        own, reference = candidate.costs()[target], original.costs()[target]
        word = _predicted(candidate, target) if candidate.measured(target) else "predicted, not measured"
        shown = {name: wording.cost(name, own.value(name)) for name in wording.WORDS}
        against = {n: wording.compared(n, reference.value(n), own.value(n)) for n in wording.WORDS}
        energy = "energy (estimated)" if own.energy_source == "estimated" else "energy"
        lines += [
            f"{target}: {wording.latency(own.latency_ms)}, {against['latency_ms']} ({word})",
            f"  p90 {shown['latency_p90_ms']}; large queries {shown['throughput_per_s']}, "
            f"{against['throughput_per_s']}",
            f"  {shown['size_mb']}, {against['size_mb']}; peak memory {shown['peak_memory_mb']}; "
            f"{shown['parameters']} parameters; {shown['flops']}FLOPs",
            f"  {energy} {shown['energy_j']}, {against['energy_j']}; a million queries: "
            f"{shown['co2_g_per_million']} CO2, electricity for {shown['money_per_million']}",
        ]
    if candidate.tied:
        lines.append(f"statistically tied with {', '.join(candidate.tied)}")
    if candidate.finished is not None:
        lines.append(finish_words(candidate.finished, front.metric))
    if candidate.untrained:
        lines.append(UNTRAINED)
    lines += [f"origin: {candidate.origin}", "", *plan_lines(candidate.plan)]
    return "\n".join(lines)


def finish_words(done: Finished, metric: str) -> str:
    """How a candidate was finished, and what came of it on validation."""
    average = f", the average of {done.shards} shards" if done.shards > 1 else ""
    before, after = done.before, done.after
    return (
        f"finished: {done.steps} further steps{average}; divergence {wording.number(before.divergence)} → "
        f"{wording.number(after.divergence)} nats, {metric} {wording.score(before.validation, metric)} → "
        f"{wording.score(after.validation, metric)} on validation"
    )


def verdict(candidate: Candidate) -> str:
    """`feasible`, or the budgets it misses."""
    return "feasible" if candidate.feasible else f"misses {', '.join(map(wording.plain, candidate.missed))}"


def _place(front: Front, candidate: Candidate) -> str:
    if candidate.id == front.original.id:
        return "the unchanged model"
    return "on the front" if candidate.on_front else "not on the front"


def _predicted(candidate: Candidate, target: str) -> str:
    median = candidate.predicted[target].latency_ms.median
    return f"predicted {wording.number(median)} ms, {prediction_error(candidate, target)}"


def prediction_error(candidate: Candidate, target: str) -> str:
    """The prediction against the measurement, as a share of the latter: `+4.0%` is too slow a prediction."""
    measured = candidate.costs()[target].latency_ms.median
    return f"{100 * (candidate.predicted[target].latency_ms.median - measured) / measured:+.1f}%"
