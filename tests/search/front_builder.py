"""Fronts such as a run leaves them, from a formula: more compression costs less and is less accurate."""

import random
from dataclasses import replace

from greenfront.config import BudgetsConfig
from greenfront.hardware_profiles import Cost, Interval, Target
from greenfront.hardware_profiles.cost import derived
from greenfront.search.candidate import Candidate, CandidateScore
from greenfront.search.front import Front, mark_front
from greenfront.search.slack import missed_budgets
from greenfront.spaces.plan import Plan
from greenfront.units import parse_bound

SITES = (
    "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
    "intermediate.dense", "output.dense",
)  # fmt: skip
BUDGETS = BudgetsConfig.model_construct(
    latency=parse_bound("60%", "time", "latency"),
    size=parse_bound("80 MB", "bytes", "size"),
    accuracy_drop=0.03,
)
NO_BUDGETS = BudgetsConfig()


def build_cost(latency_ms: float = 20.0, size_mb: float = 91.0, noise: float = 0.02) -> Cost:
    """A cost whose other numbers follow from its latency and size: 20 ms are 50 examples a second at 4 W."""
    return derived(
        Target("laptop", "cpu", "torch", threads=1, batch_size=1, sequence_length=64, large_batch=32),
        latency_ms=Interval(latency_ms, latency_ms * (1 - noise), latency_ms * (1 + noise)),
        latency_p90_ms=1.1 * latency_ms,
        large_batch_latency_ms=32 * latency_ms,
        peak_memory_mb=300 + 2 * size_mb,
        size_mb=size_mb,
        parameters=int(size_mb * 250_000),
        flops=int(latency_ms * 4e7),
        energy_j=4 * latency_ms / 1000,
        energy_source="estimated",
    )


def build_plan(seed: int, layers: int = 6, share: float = 0.5) -> Plan:
    """Ranks (and a few Linformer lengths) at a share of the sites of a BERT-like encoder."""
    rng = random.Random(seed)
    settings: dict[str, dict[str, int | float | str]] = {"embeddings.word_embeddings": {"rank": 64 + seed % 64}}
    for layer in range(layers):
        for site in SITES:
            if rng.random() < share:
                settings[f"encoder.layer.{layer}.{site}"] = {"rank": 8 * rng.randint(1, 20)}
        if rng.random() < 0.3:
            settings[f"encoder.layer.{layer}.attention.self"] = {"linformer": 16 * 2 ** rng.randint(0, 2)}
    return Plan(settings)


def build_candidate(
    plan: Plan,
    *,
    latency_ms: float = 10.0,
    size_mb: float = 50.0,
    validation: float = 0.9,
    verified: bool = True,
    feasible: bool = True,
    on_front: bool = False,
    missed: tuple[str, ...] = (),
    tied: tuple[str, ...] = (),
    targets: tuple[str, ...] = ("laptop",),
    origin: str = "sampler",
) -> Candidate:
    """A candidate with the given numbers; on every further target everything is half as expensive."""
    test = validation - 0.006
    cost = {name: build_cost(latency_ms / 2**i, size_mb) for i, name in enumerate(targets)}
    predicted = {name: build_cost(1.04 * latency_ms / 2**i, size_mb) for i, name in enumerate(targets)}
    score = CandidateScore("accuracy", validation, test, (test - 0.012, test + 0.011))
    if not verified:
        score = CandidateScore("accuracy", validation)
    return Candidate(
        id=plan.id, plan=plan, score=score, cost=cost if verified else None, predicted=predicted,
        feasible=feasible, on_front=on_front, missed=missed, origin=origin, verified=verified, tied=tied,
    )  # fmt: skip


def build_original(targets: tuple[str, ...] = ("laptop",), validation: float = 0.93) -> Candidate:
    """The unchanged model: 20 ms, 91 MB."""
    return build_candidate(
        Plan(), latency_ms=20.0, size_mb=91.0, validation=validation, targets=targets, origin="original"
    )


def build_searched_front() -> Front:
    """A front before verification: the original and every candidate with predicted costs only."""
    front = build_front(verified=0, unverified=5)
    score = CandidateScore("accuracy", front.original.score.validation)
    return replace(front, original=replace(front.original, cost=None, verified=False, score=score))


def build_front(
    candidates: tuple[Candidate, ...] | None = None,
    *,
    verified: int = 8,
    unverified: int = 24,
    targets: tuple[str, ...] = ("laptop",),
    budgets: BudgetsConfig = BUDGETS,
    objectives: tuple[str, ...] = ("accuracy", "latency"),
    layers: int = 6,
    seed: int = 0,
) -> Front:
    """A front as the driver would leave it; `candidates` instead of the generated ones when given."""
    original = build_original(targets)
    if candidates is None:
        rng = random.Random(seed)
        made = []
        for index in range(verified + unverified):
            keep = rng.uniform(0.12, 0.9)  # the share of the encoder that is kept
            validation = 0.93 - 0.05 * (1 - keep) ** 3 - rng.choice((0.0, 0.0, 0.01, 0.5)) * rng.random() * 0.4
            made.append(
                build_candidate(
                    build_plan(1000 * seed + index, layers),
                    latency_ms=1.5 + 18.5 * keep * rng.uniform(0.95, 1.1),
                    size_mb=45 + 46 * keep,
                    validation=round(validation, 4),
                    verified=index < verified,
                    targets=targets,
                    origin="seed:solver 40%" if index % 5 == 0 else "sampler",
                )
            )
        candidates = tuple(judged(candidate, original, budgets) for candidate in made)
        candidates = mark_front(candidates, objectives, targets[0])
    return Front(judged(original, original, budgets), candidates, "accuracy", targets, budgets, objectives)


def judged(candidate: Candidate, original: Candidate, budgets: BudgetsConfig) -> Candidate:
    """The same candidate with `missed` and `feasible` set by the budgets."""
    names = missed_budgets(candidate.costs(), candidate.score.validation, original, budgets)
    return replace(candidate, missed=names, feasible=not names)
