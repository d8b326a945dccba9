"""Opening reports in a browser, with everything it complains of; and a front whose report has every part."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from optuna.trial import TrialState, create_trial

from greenfront.evaluators import Analysis, Finding
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search.front import Front, mark_front
from greenfront.search.history import History, Reached, Tried
from greenfront.search.journal import Result, RungScore
from greenfront.search.spent import Spent, Stage
from greenfront.spaces import Plan
from tests.search.front_builder import BUDGETS, build_candidate, build_original, judged
from tests.search.layered import layered_space
from tests.search.layered_front import LAYERS, losses_of_settings, profile, random_plan


@dataclass
class Opened:
    """A page; what it logged as errors, and what it asked the network for."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def named(self) -> str:
        """The candidate that the page names."""
        return str(self.page.text_content("#named"))

    def lines_of(self, download: Any) -> list[str]:
        """The lines of a file that was saved."""
        return Path(str(download.path())).read_text(encoding="utf-8").splitlines()


class Browser:
    """Opens files in contexts of their own."""

    def __init__(self, launched: Any) -> None:
        self._launched = launched

    @contextmanager
    def opened(self, at: Path | str, *, width: int = 1300, height: int = 900, dark: bool = False) -> Iterator[Opened]:
        """A report at a path or an address, until the end of the block; it has to be without errors then, and to have
        asked for nothing but itself, or at an address nobody but its server."""
        address = at if isinstance(at, str) else at.as_uri()
        context = self._launched.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light",
            permissions=["clipboard-read", "clipboard-write"], accept_downloads=True,
        )  # fmt: skip
        opened = Opened(context.new_page())
        opened.page.set_default_timeout(10_000)
        opened.page.on("console", lambda told: opened.errors.append(told.text) if told.type == "error" else None)
        opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        opened.page.goto(address)
        try:
            yield opened
            assert opened.errors == []
            assert [url for url in opened.requests if not url.startswith(("blob:", address))] == []
        finally:
            context.close()


def front_with_everything(
    count: int = 24, verified: int = 10, layers: int = LAYERS, seed: int = 0
) -> tuple[Front, Mapping[str, Any]]:
    """A front on `laptop` and what else its report is made of: profile, history with rungs, analysis, what it took."""
    rng = random.Random(seed)
    original = build_original()
    space = layered_space(layers)
    found: dict[str, Plan] = {}
    number = 0
    while len(found) <= count:
        if plan := random_plan(number, space):
            found[plan.id] = plan
        number += 1
    *plans, rejected = found.values()
    made = []
    for number, plan in enumerate(plans):
        keep = 0.1 + 0.8 * (number % verified) / verified
        validation = round(0.93 - 0.05 * (1 - keep) ** 3 - rng.choice((0.0, 0.0, 0.0, 0.004)), 4)
        candidate = build_candidate(
            plan, latency_ms=round(20 * keep, 3), size_mb=round(25 + 60 * rng.random(), 2), validation=validation,
            verified=number < verified,
        )  # fmt: skip
        made.append(judged(replace(candidate, untrained=number == 1), original, BUDGETS))
    candidates = mark_front(made, ("accuracy", "latency"), "laptop")
    tied = [candidate.id for candidate in candidates if candidate.on_front][-2:]
    candidates = tuple(replace(c, tied=tuple(set(tied) - {c.id})) if c.id in tied else c for c in candidates)
    front = Front(judged(original, original, BUDGETS), candidates, "accuracy", ("laptop",), BUDGETS,
                  ("accuracy", "latency"))  # fmt: skip
    used: HardwareProfile = profile(layers)
    extras = {
        "profiles": {"laptop": used}, "history": _history(front, rejected), "analysis": _analysis(),
        "spent": Spent((Stage("search", 600.0, 2), Stage("profile", 60.0, 1)), 4.0, 473.0, 0.25),
        "warnings": {"laptop": ["it was busy"]}, "losses": losses_of_settings(layers),
    }  # fmt: skip
    return front, extras


def _history(front: Front, rejected: Plan) -> History:
    trial = create_trial(state=TrialState.FAIL)
    tried = [
        Tried(
            trial,
            Result(
                number, candidate.plan, candidate.origin, "scored", candidate.score.validation, 0.01 + 0.001 * number,
                4.0, rungs=(RungScore(20, candidate.score.validation - 0.02, 0.2, 1.0),), steps=60,
            ),
        )
        for number, candidate in enumerate(front.candidates)
    ]  # fmt: skip
    curve = tuple(Reached(each, n + 1, 5.0 * n, 0.5 - 0.5 / (n + 1)) for n, each in enumerate(tried))
    over = Result(len(tried), rejected, "sampler", "rejected", reason="predicted over budget: latency")
    return History("accuracy", 60, (20, 60), tuple(tried), curve, rejected=(over,))


def _analysis() -> Analysis:
    """Three layers of twelve heads: wider than a phone."""
    found = []
    for layer in range(3):
        path, block = f"layer.{layer}.a", f"layer.{layer}"
        cost = 0.001 * 10**layer
        found.append(
            Finding(path, "attention", layer, 0, block, (f"{path}.q",), cost, 0.2, "keep" if layer else "prune")
        )
        found += [Finding(path, "head", layer, head, block, (f"{path}.q",), 0.001, 0.2, "keep") for head in range(12)]
    return Analysis("speed", 0.02, 0.1, 64, tuple(found))
