"""One game: what a contestant found in one problem, trial by trial."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from states import Numbers


@dataclass(frozen=True)
class Game:
    """`points` (N, 2): divergence and latency of each trial; `clock` (N,): the seconds after which it was scored."""

    bench: str
    contestant: str
    seed: int
    points: Numbers
    clock: Numbers

    @classmethod
    def load(cls, path: Path) -> "Game":
        """What `compare.py run` wrote."""
        raw = json.loads(path.read_text(encoding="utf-8"))
        rows = np.array(raw["points"], dtype=np.float64).reshape(-1, 3)
        return cls(raw["bench"], raw["contestant"], raw["seed"], rows[:, :2], rows[:, 2])
