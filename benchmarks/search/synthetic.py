"""Synthetic problems whose front is known exactly.

A chain of sites with ranks. What a search is told is each rank's predicted loss; the true loss multiplies it by a
number hidden from it, of the site's group and of the site itself, and where they interact, adds a term for every two
neighbours in the chain. Costs are whole units of latency, so that dynamic programming over (cost so far, state of the
last site) finds the least true loss at every cost.
"""

from dataclasses import dataclass

import numpy as np
from problem import Evaluation, Problem, noise
from states import Numbers

from greenfront.spaces import Plan, Space
from greenfront.spaces.method import Choice, Site

UNIT_MS = 0.01
"""Latency of one unit."""
FLOOR = 2e-3
"""Divergence in nats that training doesn't get below, in a plan that loses nothing."""
EXPONENT = 0.8
"""Training recovers more of a large loss than of a small one."""
KINDS = ("query", "value", "up", "down")


@dataclass(frozen=True)
class SyntheticTruth:
    """The true losses: alone (S, R) and of neighbours (S - 1, R, R), each by the number of the option.

    `noise_share`: standard deviation of the divergence's logarithm between plans of equal true loss.
    """

    space: Space
    alone: Numbers
    together: Numbers
    noise_share: float
    seed: int
    steps: tuple[int, ...] = (0, 15, 30, 60)

    def loss(self, indices: tuple[int, ...]) -> float:
        """The true loss of a point in nats, before any training."""
        at = np.array(indices)
        sites = np.arange(len(at))
        pairs = self.together[sites[:-1], at[:-1], at[1:]].sum() if len(self.together) else 0.0
        return float(self.alone[sites, at].sum() + pairs)

    def evaluate(self, plan: Plan, rung: int = -1) -> Evaluation:
        """More steps leave less of the loss, with less left to chance."""
        share = self.steps[rung] / self.steps[-1]
        kept = 1.0 - 0.6 * share
        by_chance, of_rung = noise(plan, self.seed, 2)
        spread = self.noise_share * (by_chance + (1 - share) * of_rung)
        loss = self.loss(self.space.indices(plan))
        return Evaluation(trained(loss) * kept / 0.4 * float(np.exp(spread)), 1.0 + 0.3 * self.steps[rung])


def trained(loss: float) -> float:
    """Divergence after a whole training, without chance; rises with the loss."""
    return FLOOR + 0.5 * float(loss**EXPONENT)


def synthetic(
    name: str,
    seed: int,
    *,
    sites: int = 24,
    ranks: int = 12,
    spread: float = 1.0,
    interaction: float = 0.0,
    noise_share: float = 0.05,
    most: float = 0.6,
) -> Problem:
    """A problem; the seed decides what is hidden.

    Args:
        name: of the bench.
        seed: of losses, multipliers and noise.
        sites: how many; a quarter of them of each kind.
        ranks: how many settings each has.
        spread: standard deviation of the logarithms of a group's multiplier; a site's own has half of it.
        interaction: largest term of two neighbours, as a share of the product's square root of their true losses.
        noise_share: as in `SyntheticTruth`.
        most: the limit on latency, as a share of the original's.
    """
    rng = np.random.default_rng(seed)
    settings = tuple({"rank": 8 * (number + 1)} for number in range(ranks))
    choices, alone, predicted, units = [], [], {}, []
    multipliers = {(kind, third): rng.normal(0, spread) for kind in KINDS for third in range(3)}
    for number in range(sites):
        kind = KINDS[number % len(KINDS)]
        site = Site(f"encoder.layer.{number // len(KINDS)}.{kind}", "linear", (256, 256), kind)
        choice = Choice(site, "low_rank", settings)
        kept = np.append((np.arange(ranks) + 1) / (ranks + 1), 1.0)
        level, decay = np.exp(rng.normal(-2.5, 1.0)), rng.uniform(2, 6)
        loss = np.round(level * (np.exp(-decay * kept) - np.exp(-decay)) / (1 - np.exp(-decay)), 9)
        own = multipliers[kind, min(2, 3 * number // sites)] + rng.normal(0, spread / 2)
        choices.append(choice)
        alone.append(np.exp(own) * loss)
        predicted[choice.name] = [float(x) for x in loss]
        each = int(rng.integers(1, 4))
        units.append(np.append(each * (np.arange(ranks) + 1), each * (ranks + 2)))
    space = Space(tuple(choices))
    whole, shape = np.array(alone), (max(sites - 1, 0), ranks + 1, ranks + 1)
    together = np.zeros(shape)
    if interaction:
        strength = rng.uniform(0, interaction, shape[0])
        together = strength[:, None, None] * np.sqrt(whole[:-1, :, None] * whole[1:, None, :])
    truth = SyntheticTruth(space, whole, together, noise_share, seed)
    table = np.array(units)
    base = int(table[:, -1].sum()) + 10  # ten units that nothing changes: embeddings, head
    saved = UNIT_MS * (table - table[:, -1:])
    change = {
        site.path: [float(saved[n, dict(state.options)[choices[n].name]]) for state in site.states]
        for n, site in enumerate(space.states)
    }
    limit = int(most * base)
    front = exact_front(whole, together, table, limit - 10)
    points = np.array([(trained(loss), UNIT_MS * (cost + 10)) for cost, loss in front])
    return Problem(
        name, space, predicted, {"latency_ms": change}, {"latency_ms": UNIT_MS * base}, {"latency_ms": UNIT_MS * limit},
        truth, {"profile": 60.0, "significance": 60.0}, points,
    )  # fmt: skip


def exact_front(
    alone: Numbers, together: Numbers, units: np.ndarray[tuple[int, ...], np.dtype[np.int64]], most: int
) -> list[tuple[int, float]]:
    """Every cost up to `most` at which the least loss is below that of all smaller costs, with it.

    `alone` (S, R), `together` (S - 1, R, R), `units` (S, R): as in `SyntheticTruth`, and the whole costs.
    """
    sites, options = alone.shape
    least = np.full((options, most + 1), np.inf)  # by the last site's option and the exact cost
    for option in range(options):
        if units[0, option] <= most:
            least[option, units[0, option]] = alone[0, option]
    for site in range(1, sites):
        after = np.full_like(least, np.inf)
        for option in range(options):
            cost = units[site, option]
            if cost <= most:
                best = (least + together[site - 1, :, option, None]).min(axis=0)
                after[option, cost:] = best[: most + 1 - cost] + alone[site, option]
        least = after
    found: list[tuple[int, float]] = []
    for cost, loss in enumerate(least.min(axis=0)):
        if np.isfinite(loss) and (not found or loss < found[-1][1]):
            found.append((cost, float(loss)))
    return found
