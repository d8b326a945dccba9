"""Who is on the front after verification."""

from dataclasses import replace

from greenfront.search.candidate import Candidate
from greenfront.search.verify import judge
from tests.search.front_builder import build_front
from tests.search.toy_run import toy_config


def test_what_the_original_beats_is_not_on_the_front(tmp_path_factory: object) -> None:
    front = build_front()
    original = replace(front.original, feasible=True, missed=())
    best = next(c for c in front.candidates if c.verified)
    assert original.cost is not None
    worse: Candidate = replace(
        best, cost=original.cost, score=replace(best.score, validation=original.score.validation - 0.1), missed=()
    )
    config = toy_config(tmp_path_factory.mktemp("run"))  # type: ignore[attr-defined]
    config = config.model_copy(
        update={
            "hardware": (config.hardware[0].model_copy(update={"name": front.target}),),
            "objectives": ("accuracy", "latency"),
        }
    )
    (judged,) = judge(original, [worse], config)
    assert not judged.on_front
    better = replace(worse, score=replace(worse.score, validation=original.score.validation + 0.1))
    (judged,) = judge(original, [better], config)
    assert judged.on_front
