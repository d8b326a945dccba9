"""Predicted against measured latency of random candidates, each measured beside the original in processes of their own.

    python benchmarks/prediction.py runs/reuters --runtime onnxruntime --tokens 64 [--times 2] [--pairs FILE]
    python benchmarks/prediction.py runs/reuters --runtime onnxruntime --tokens 64 --seed 1 --measured FILE

Measures a fresh profile of the run's original, then 40 candidates with untrained weights that the profile has never
seen, eight to a process. `absolute`: predicted against measured milliseconds; `ratio`: both over the original's in the
same process, since the machine's speed changes between processes; `large batch`: the same ratio of large queries.

With `--times 2` all candidates are measured twice, each time with other neighbours; predictions are compared with the
mean, and `measured again` says how far the second measurement is from the first: no prediction can do better than that.
`--measured` takes what an earlier call has measured, so that several profiles predict the same.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel

from greenfront.config import SpaceConfig, TargetConfig
from greenfront.hardware_profiles import HardwareProfile, Target, measure_candidates, measure_profile, resolve_target
from greenfront.hardware_profiles.calibration import prediction_error
from greenfront.spaces import Plan, Space, compress, find_space, load_checkpoint, save_checkpoint

CANDIDATES, IN_A_PROCESS, SEED = 40, 8, 2024
Pair = tuple[float, float]
"""Predicted, measured."""


@dataclass(frozen=True)
class Found:
    """One candidate, measured or predicted: milliseconds, and its shares of the original's, also of large queries."""

    absolute: float
    ratio: float
    large: float


KINDS = {"absolute": "absolute", "ratio": "ratio", "large": "large batch"}


def main() -> None:
    """Measure, predict, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--runtime", choices=("torch", "onnxruntime"), default=None)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0, help="of the profile; the candidates stay the same")
    parser.add_argument("--profile", type=Path, help="a profile to use instead of measuring one")
    parser.add_argument("--times", type=int, default=1, help="how often the candidates are measured")
    parser.add_argument("--measured", type=Path, help="`--pairs` of an earlier call, instead of measuring candidates")
    parser.add_argument("--pairs", type=Path, help="a file for all predicted and measured values, as JSON")
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
    predicted = [predict(profile, plan) for plan in plans]
    pairs: dict[str, list[Pair]] = {}
    times = 0 if arguments.measured else arguments.times
    rounds = [measure(target, original, plans, seed=SEED + 1000 * number) for number in range(times)]
    for field, name in KINDS.items():
        again = [[getattr(found[plan], field) for plan in plans] for found in rounds]
        if arguments.measured:
            again = [[value for _, value in json.loads(arguments.measured.read_text())[name]]]
        means = [sum(values) / len(values) for values in zip(*again, strict=True)]
        pairs[name] = [(getattr(each, field), mean) for each, mean in zip(predicted, means, strict=True)]
        if len(again) > 1:
            pairs[f"{name}, measured again"] = list(zip(again[1], again[0], strict=True))
    if arguments.pairs:
        arguments.pairs.write_text(json.dumps(pairs))
    for name, several in pairs.items():
        error = prediction_error(several)
        assert error is not None
        print(
            f"{name:27s} {error.plans} candidates: median {error.median:.1%}, 95th percentile {error.p95:.1%}, "
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


def predict(profile: HardwareProfile, plan: Plan) -> Found:
    """What a profile says of a plan."""
    predicted, before = profile.predict(plan), profile.original
    return Found(
        predicted.latency_ms.median,
        predicted.latency_ms.median / before.latency_ms.median,
        predicted.large_batch_latency_ms / before.large_batch_latency_ms,
    )


def measure(target: Target, original: Path, plans: Sequence[Plan], *, seed: int) -> dict[Plan, Found]:
    """Every plan measured beside the original and seven others, which ones the seed says."""
    model, order, found = load_checkpoint(original), list(plans), dict[Plan, Found]()
    if seed != SEED:
        random.Random(seed).shuffle(order)
    for start in range(0, len(order), IN_A_PROCESS):
        part = order[start : start + IN_A_PROCESS]
        with saved({plan.id: plan for plan in part}, model) as folders:
            measured = measure_candidates(target, {"original": original, **folders}, seed=seed + start)
        base = measured["original"].cost
        for plan in part:
            cost = measured[plan.id].cost
            large = cost.large_batch_latency_ms / base.large_batch_latency_ms
            found[plan] = Found(cost.latency_ms.median, measured[plan.id].ratio.median, large)
    return found


@contextmanager
def saved(plans: dict[str, Plan], model: PreTrainedModel) -> Iterator[dict[str, Path]]:
    """Checkpoints of candidates with untrained weights, as long as this lasts."""
    with tempfile.TemporaryDirectory() as folder:
        for name, plan in plans.items():
            save_checkpoint(compress(model, plan), Path(folder) / name)
        yield {name: Path(folder) / name for name in plans}


if __name__ == "__main__":
    main()
