"""What is not scored: it follows closed forms at the level of what is, never rises, and layers help each other out."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.evaluators.scored_lines import Line, fill, kinds, scored_options
from greenfront.spaces import Choice, Library, Site, Space

RANKS = (8, 16, 24, 32, 40, 48)
losses = st.floats(1e-4, 10)


def choice(layer: int, part: str = "dense", ranks: tuple[int, ...] = RANKS) -> Choice:
    site = Site(f"encoder.layer.{layer}.{part}", "linear", (64, 256), "Linear()")
    return Choice(site, "low_rank", tuple({"rank": rank} for rank in ranks))


def line(closed: list[float] | None, layer: int = 0) -> Line:
    return Line(choice(layer), tuple(range(len(RANKS))), None if closed is None else tuple(closed))


def falling_numbers(count: int) -> st.SearchStrategy[list[float]]:
    return st.lists(losses, min_size=count, max_size=count, unique=True).map(lambda found: sorted(found, reverse=True))


@given(falling_numbers(6), st.floats(0.1, 100), st.floats(0.5, 2))
def test_a_power_of_the_closed_form_is_met_exactly(closed: list[float], level: float, power: float) -> None:
    true = [level * loss**power for loss in closed]
    found = line(closed).filled({option: true[option] for option in (0, 2, 5)})
    assert [found[option] for option in range(6)] == pytest.approx(true, rel=1e-6)


@given(st.one_of(st.none(), falling_numbers(6)), st.lists(losses, min_size=3, max_size=3))
def test_what_keeps_more_never_loses_more_whatever_noise_says(closed: list[float] | None, scored: list[float]) -> None:
    found = line(closed).filled(dict(zip((0, 3, 5), scored, strict=True)))
    of_options = [found[option] for option in range(6)]
    assert all(more <= less * (1 + 1e-9) for less, more in pairwise(of_options))
    if scored == sorted(scored, reverse=True):
        assert [found[option] for option in (0, 3, 5)] == scored


def test_closed_forms_of_zero_and_broken_models_are_survived() -> None:
    found = line([1.0, 0.5, 0.1, 0.0, 0.0, 0.0]).filled({0: math.inf, 2: 0.2, 5: 1e-9})
    assert [found[option] for option in (0, 1)] == [math.inf, math.inf]
    assert [found[option] for option in (2, 5)] == [0.2, 1e-9]
    assert 0.2 >= found[3] >= found[4] >= 1e-9


@given(falling_numbers(6), falling_numbers(6), falling_numbers(6), st.floats(1, 50), st.floats(1, 50))
def test_a_line_without_passes_takes_its_neighbours_level(
    first: list[float], middle: list[float], last: list[float], below: float, above: float
) -> None:
    kind = [line(first, 0), line(middle, 1), line(last, 2)]
    scored = {
        one.choice.name: {option: level * one.closed[option] for option in (0, 2, 5)}
        for one, level in ((kind[0], below), (kind[2], above))
        if one.closed is not None
    }
    found = fill(kind, scored)[1]
    assert [found[o] for o in range(6)] == pytest.approx([math.sqrt(below * above) * x for x in middle], rel=1e-5)


def test_without_closed_forms_losses_themselves_are_between_the_neighbours() -> None:
    kind = [line(None, layer) for layer in range(4)]
    ends = {0: (0.8, 0.08), 3: (0.1, 0.01)}
    found = fill(kind, {kind[n].choice.name: {0: loss[0], 5: loss[1]} for n, loss in ends.items()})
    assert [found[n][0] for n in range(4)] == pytest.approx([0.8, 0.4, 0.2, 0.1])
    assert [found[n][5] for n in range(4)] == pytest.approx([0.08, 0.04, 0.02, 0.01])


def test_lines_of_a_kind_stand_at_the_same_place_and_offer_the_same() -> None:
    space = Space((choice(0), choice(0, "query"), choice(1), choice(1, "query"), choice(2, ranks=(8, 16))))
    found = kinds(space, NOTHING)
    assert [[each.choice.site.path for each in kind] for kind in found] == [
        ["encoder.layer.0.dense", "encoder.layer.1.dense"],
        ["encoder.layer.0.query", "encoder.layer.1.query"],
        ["encoder.layer.2.dense"],
    ]


@given(st.integers(1, 40), st.integers(2, 6), st.integers(1, 400))
def test_passes_are_bounded_and_depth_is_covered(layers: int, points: int, passes: int) -> None:
    space = Space(tuple(choice(layer, part) for layer in range(layers) for part in ("dense", "query")))
    every = kinds(space, NOTHING)
    chosen = scored_options(every, points, passes)
    of_line = min(points, len(RANKS))
    assert sum(len(options) for kind in chosen for _, options in kind) <= max(passes, 2 * min(layers, 2) * of_line)
    for kind, all_of_kind in zip(chosen, every, strict=True):
        scored = [one for one, _ in kind]
        assert (scored[0], scored[-1]) == (all_of_kind[0], all_of_kind[-1])
        if 2 * layers * of_line <= passes:
            assert scored == all_of_kind


class _Unknowing(Library):
    """Knows no closed form."""

    def loss(self, path: str, settings: object) -> None:
        return None


NOTHING = _Unknowing({})
