"""Predicted against measured latency of random candidates, each measured beside the original in processes of their own.

    python benchmarks/prediction.py runs/reuters --runtime onnxruntime --tokens 64

Measures a fresh profile of the run's original, then 40 candidates with untrained weights that the profile has never
seen, eight to a process. `absolute`: predicted against measured milliseconds; `ratio`: both over the original's in the
same process, since the machine's speed changes between processes; `large batch`: the same ratio of large queries.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig, TargetConfig
from greenfront.hardware_profiles import HardwareProfile, Target, measure_profile, resolve_target
from greenfront.hardware_profiles.calibration import prediction_error
from greenfront.hardware_profiles.jobs import CandidatesAnswer, Job
from greenfront.hardware_profiles.spawn import run_job
from greenfront.hardware_profiles.statistics import without_drift
from greenfront.spaces import Plan, Space, compress, find_space, load_checkpoint, save_checkpoint

CANDIDATES, IN_A_PROCESS, ORIGINALS, SEED = 40, 8, 3, 2024
SECONDS = 20.0
"""For each process, 64 queries of each candidate come first."""
Pair = tuple[float, float]
"""Predicted, measured."""


def main() -> None:
    """Measure, predict, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--runtime", choices=("torch", "onnxruntime"), default=None)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0, help="of the profile; the candidates stay the same")
    parser.add_argument("--profile", type=Path, help="a profile to use instead of measuring one")
    arguments = parser.parse_args()
    target = resolve_target(TargetConfig(name="here", runtime=arguments.runtime), arguments.tokens)
    original = arguments.run / "original"
    config = SpaceConfig(methods=("low_rank", "linformer"))
    space = find_space(load_checkpoint(original), config, target.sequence_length)
    started = time.perf_counter()
    if arguments.profile is None:
        profile = measure_profile(target, original, space, seed=arguments.seed)
        print(f"profile: {time.perf_counter() - started:.0f} s, {len(profile.operations)} operations measured")
    else:
        profile = HardwareProfile.load(arguments.profile)
    print(f"profile's own held-out error: {profile.error}; large batch: {profile.large_batch.error}")
    for warning in profile.warnings:
        print(f"warning: {warning}")
    plans = mixtures(space, random.Random(SEED))
    absolute, ratio, large = compare(profile, target, original, plans)
    for name, pairs in (("absolute", absolute), ("ratio", ratio), ("large batch", large)):
        error = prediction_error(pairs)
        assert error is not None
        print(
            f"{name:12s} {error.plans} candidates: median {error.median:.1%}, 95th percentile {error.p95:.1%}, "
            f"worst {error.worst:.1%}, tau {error.tau:.3f}"
        )


def mixtures(space: Space, rng: random.Random) -> list[Plan]:
    """Every sixth drawn uniformly, the others around a level; projections at any share of the attentions."""
    plans: list[Plan] = []
    while len(plans) < CANDIDATES:
        if len(plans) % 6 == 0:
            plans.append(space.random(rng))
            continue
        level, spread, projected, embedding = rng.random(), 0.5 * rng.random(), rng.random(), rng.random() < 0.5
        indices = []
        for choice in space.choices:
            last = len(choice.settings)
            if choice.site.kind == "attention":
                index = rng.randrange(last) if rng.random() < projected else last
            elif choice.site.kind == "embedding" and not embedding:
                index = last
            else:
                index = round(min(max(level + rng.uniform(-spread, spread), 0.0), 1.0) * last)
            indices.append(index)
        plans.append(space.plan(indices))
    return plans


def compare(
    profile: HardwareProfile, target: Target, original: Path, plans: Sequence[Plan]
) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """(predicted, measured) of every plan: milliseconds, ratios, ratios of large queries."""
    model = load_checkpoint(original)
    absolute, ratio, large = [], [], []
    before = profile.original
    for start in range(0, len(plans), IN_A_PROCESS):
        part = plans[start : start + IN_A_PROCESS]
        # The original several times, for all ratios of a process are off by what its median is off.
        originals = dict.fromkeys(("original", *(f"original-{number}" for number in range(2, ORIGINALS + 1))), original)
        with saved({plan.id: plan for plan in part}, model) as folders, tempfile.TemporaryDirectory() as scratch:
            everything = {name: str(folder.resolve()) for name, folder in {**originals, **folders}.items()}
            answer: CandidatesAnswer = run_job(
                Job("candidates", target, everything, SEED + start, SECONDS, scratch=scratch)
            )
        small_ms = medians({name: raw.samples_ms for name, raw in answer.candidates.items()}, list(originals))
        large_ms = medians({name: raw.large_samples_ms for name, raw in answer.candidates.items()}, list(originals))
        for plan in part:
            found = profile.predict(plan)
            absolute.append((found.latency_ms.median, float(np.median(answer.candidates[plan.id].samples_ms))))
            ratio.append((found.latency_ms.median / before.latency_ms.median, small_ms[plan.id] / small_ms["original"]))
            large.append(
                (
                    found.large_batch_latency_ms / before.large_batch_latency_ms,
                    large_ms[plan.id] / large_ms["original"],
                )
            )
    return absolute, ratio, large


def medians(samples_ms: dict[str, list[float]], originals: list[str]) -> dict[str, float]:
    """Of every model, what slowed the machine for a while taken out; `original` is that of all its copies."""
    steady = without_drift([{name: np.array(samples)[:, None] for name, samples in samples_ms.items()}])
    found = {name: float(np.median(samples)) for name, samples in steady.items()}
    return {**found, "original": float(np.median(np.concatenate([steady[name] for name in originals])))}


@contextmanager
def saved(plans: dict[str, Plan], model: PreTrainedModel) -> Iterator[dict[str, Path]]:
    """Checkpoints of candidates with untrained weights, as long as this lasts."""
    with tempfile.TemporaryDirectory() as folder:
        for name, plan in plans.items():
            save_checkpoint(compress(model, plan), Path(folder) / name)
        yield {name: Path(folder) / name for name in plans}


if __name__ == "__main__":
    main()
