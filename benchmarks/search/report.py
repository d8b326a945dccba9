"""Tables and curves of games: shares of the best known hypervolume, additive epsilon, how soon TPE is reached."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import moocore
import numpy as np
from benches import Bench
from contestants import CONTESTANTS
from games import Game
from indicators import Scale, curve
from matplotlib.ticker import ScalarFormatter
from scipy.stats import mannwhitneyu
from states import Numbers

REFERENCE = "tpe"
"""Whose hypervolume after all trials the others are timed against."""
OURS = ("allocation", "seeds + tpe")
"""The product's, the better one first; the first that played is compared with all others."""
SHOWN = (10, 20, 50, 100, 200)
FROM = 11
"""Trials from which on none of the plain contestants may be ahead."""
PLAIN = ("random", "uniform")


class Curves:
    """The hypervolumes of all games of one bench, as shares of the best front known of their problem."""

    def __init__(self, bench: Bench, games: Sequence[Game]) -> None:
        self.games: dict[str, dict[int, Game]] = defaultdict(dict)
        for game in games:
            self.games[game.contestant][game.seed] = game
        self.trials = max(len(game.points) for game in games)
        self.scales: dict[int, Scale] = {}
        self.fronts: dict[int, Numbers] = {}
        best: dict[int, float] = {}
        for seed in sorted({game.seed for game in games}):
            problem = bench.problem(seed)
            self.scales[seed] = bench.scale(problem)
            everything = np.vstack([game.points for game in games if game.seed == seed and len(game.points)])
            known = problem.front if problem.front is not None else everything
            self.fronts[seed] = np.asarray(moocore.filter_dominated(known))
            best[seed] = self.scales[seed].hypervolume(self.fronts[seed])
        counts = range(1, self.trials + 1)
        self.shares = {
            name: {
                # Who has no plan within the limits has found nothing.
                seed: curve(self.scales[seed], game.points.reshape(-1, 2), counts) / best[seed]
                for seed, game in of_seed.items()
            }
            for name, of_seed in self.games.items()
        }

    def at(self, name: str, trials: int) -> Numbers:
        """(seeds,) after so many trials."""
        return np.array([share[min(trials, self.trials) - 1] for share in self.shares[name].values()])

    def epsilon(self, name: str, trials: int) -> Numbers:
        """(seeds,) additive epsilon after so many trials."""
        return np.array(
            [
                self.scales[seed].epsilon(game.points[:trials], self.fronts[seed])
                for seed, game in self.games[name].items()
            ]
        )

    def reached(self, name: str, clock: bool = False) -> list[float]:
        """After how many trials, or seconds, it has what the reference has at its end, seed by seed; inf: never."""
        found = []
        for seed, share in self.shares[name].items():
            if seed in self.shares.get(REFERENCE, {}):
                there = np.flatnonzero(share >= self.shares[REFERENCE][seed][-1])
                within = len(there) and there[0] < len(self.games[name][seed].clock)
                value = (
                    (float(self.games[name][seed].clock[there[0]]) if clock else there[0] + 1.0) if within else np.inf
                )
                found.append(float(value))
        return found

    def order(self) -> list[str]:
        """The names, the largest final hypervolume first."""
        return sorted(self.shares, key=lambda name: -float(np.median(self.at(name, self.trials))))

    def behind(self, ours: str, other: str) -> list[int]:
        """The numbers of trials from `FROM` on at which our median hypervolume is below the other's."""
        return [
            count
            for count in range(FROM, self.trials + 1)
            if np.median(self.at(ours, count)) < np.median(self.at(other, count)) - 1e-9
        ]


def markdown(bench: Bench, games: Sequence[Game]) -> str:
    """One table a bench, and what is compared with the product's own."""
    curves = Curves(bench, games)
    counts = [count for count in SHOWN if count <= curves.trials]
    ours = next((name for name in OURS if name in curves.shares), None)
    seeds = max(len(of_seed) for of_seed in curves.shares.values())
    early = counts[min(1, len(counts) - 1)]
    headings = [
        "", *(f"{count} trials" for count in counts), "epsilon", f"trials to {REFERENCE}'s last", "seconds to it",
        f"p at {early}", "p at the end",
    ]  # fmt: skip
    lines = [f"### {bench.name}, {seeds} seeds\n", f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    for name in curves.order():
        cells = [f"{np.median(curves.at(name, count)):.3f}" for count in counts]
        cells.append(f"{np.median(curves.epsilon(name, curves.trials)):.3f}")
        for clock in (False, True):
            found = curves.reached(name, clock)
            cells.append(_number(float(np.median(found))) if found else "")
        for count in (early, curves.trials):
            cells.append("" if ours in (None, name) else _p(curves.at(str(ours), count), curves.at(name, count)))
        lines.append(f"| {name} ({len(curves.shares[name])}) | " + " | ".join(cells) + " |")
    for other in PLAIN:
        if ours is not None and other in curves.shares:
            behind = curves.behind(ours, other)
            said = f"after {_ranges(behind)} trials" if behind else f"at no number of trials above {FROM - 1}"
            lines.append(f"\n{ours} is behind {other} {said}.")
    return "\n".join(lines) + "\n"


def draw(bench: Bench, games: Sequence[Game], path: Path) -> None:
    """Median and quartiles of the hypervolume against trials, and against the clock."""
    curves = Curves(bench, games)
    figure, (by_trials, by_clock) = plt.subplots(1, 2, figsize=(12, 4.2), sharey=True)
    for name in curves.order():
        shares = np.array(list(curves.shares[name].values()))
        counts = np.arange(1, curves.trials + 1)
        low, median, high = np.quantile(shares, [0.25, 0.5, 0.75], axis=0)
        color = f"C{sorted(CONTESTANTS).index(name) % 10}"  # the same on every bench
        by_trials.plot(counts, median, color=color, label=name)
        by_trials.fill_between(counts, low, high, color=color, alpha=0.12, linewidth=0)
        seconds, stepped = _by_clock(curves, name)
        by_clock.plot(seconds, np.median(stepped, axis=0), color=color)
    by_trials.set(xscale="log", xlabel="trials", ylabel="share of the best known hypervolume", title=bench.name)
    by_clock.set(xscale="log", xlabel="seconds of one worker, preparation charged")
    for axes in (by_trials, by_clock):
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_formatter(ScalarFormatter())
    figure.legend(loc="center right", fontsize=8, title="best at the end first")
    figure.tight_layout(rect=(0, 0, 0.84, 1))
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _by_clock(curves: Curves, name: str) -> tuple[Numbers, Numbers]:
    """Seconds (T,) and the hypervolume of every seed (seeds, T) at them."""
    games = curves.games[name]
    ends = [game.clock[-1] for game in games.values() if len(game.clock)]
    starts = [game.clock[0] for game in games.values() if len(game.clock)]
    if not ends:
        return np.ones(1), np.zeros((len(games), 1))
    seconds = np.geomspace(min(starts), max(ends), 200)
    rows = []
    for seed, share in curves.shares[name].items():
        done = np.searchsorted(games[seed].clock, seconds, side="right")
        rows.append(np.concatenate([[0.0], share])[np.minimum(done, len(share))])
    return seconds, np.array(rows)


def _p(ours: Numbers, others: Numbers) -> str:
    """Two-sided Mann-Whitney, with which is larger."""
    if len(ours) < 2 or len(others) < 2:
        return ""
    sign = ">" if np.median(ours) > np.median(others) else "<" if np.median(ours) < np.median(others) else "="
    return f"{sign} {float(mannwhitneyu(ours, others).pvalue):.1g}"


def _number(value: float) -> str:
    return "never" if not np.isfinite(value) else f"{value:.0f}"


def _ranges(counts: Sequence[int]) -> str:
    """`11 to 14, 20`."""
    parts: list[list[int]] = []
    for count in counts:
        if parts and count == parts[-1][-1] + 1:
            parts[-1].append(count)
        else:
            parts.append([count])
    return ", ".join(f"{part[0]} to {part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)
