"""The timing loop against a device whose time is known exactly: a clock that only its runs move."""

import pytest

from greenfront.hardware_profiles.sampling import Run, Schedule, Variant, inner_passes, interleave, warm_up


class Device:
    """Runs take the time they say, nothing else takes any; `log` holds what was run and waited for."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.log: list[str] = []

    def clock_ns(self) -> int:
        return self.now_ns

    def synchronize(self) -> None:
        self.log.append("wait")

    def takes(self, name: str, *milliseconds: float) -> Run:
        """A run with the given durations in turn, the last one for ever."""
        left = list(milliseconds)

        def run() -> None:
            self.log.append(name)
            self.now_ns += round((left.pop(0) if len(left) > 1 else left[0]) * 1e6)

        return run

    def sample(
        self, variants: list[Variant], schedule: Schedule, watched: tuple[str, ...] = (), seed: int = 0
    ) -> dict[str, list[float]]:
        return interleave(
            variants,
            schedule,
            watched=watched,
            seed=seed,
            synchronize=self.synchronize,
            clock_ns=self.clock_ns,
        )

    @property
    def runs(self) -> list[str]:
        return [entry for entry in self.log if entry != "wait"]


@pytest.fixture
def device() -> Device:
    return Device()


def test_every_repetition_runs_all_in_a_fresh_order(device: Device) -> None:
    names = list("abcdef")
    samples = device.sample([Variant(name, (device.takes(name, 1),)) for name in names], Schedule(10, 0))
    repetitions = ["".join(device.runs[i : i + 6]) for i in range(0, 60, 6)]
    assert len(device.runs) == 60
    assert all(sorted(repetition) == names for repetition in repetitions)
    assert len(set(repetitions)) > 5
    assert {name: len(found) for name, found in samples.items()} == dict.fromkeys(names, 10)


def test_the_same_seed_gives_the_same_order() -> None:
    orders = []
    for seed in (1, 1, 2):
        device = Device()
        device.sample([Variant(n, (device.takes(n, 1),)) for n in "abcdef"], Schedule(5, 0), seed=seed)
        orders.append(device.runs)
    assert orders[0] == orders[1] != orders[2]


def test_samples_are_milliseconds_of_one_run_whatever_the_chain_and_inner_passes(device: Device) -> None:
    chain = (device.takes("x", 1), device.takes("y", 2), device.takes("z", 6))
    samples = device.sample([Variant("many", chain, inner=2)], Schedule(4, 0))
    assert samples["many"] == [3.0] * 4
    assert device.runs == ["x", "y", "z"] * 8


def test_lead_in_passes_are_run_but_not_timed(device: Device) -> None:
    cold_then_warm = device.takes("a", *(13, 1) * 3)
    samples = device.sample([Variant("a", (cold_then_warm,), lead_in=True)], Schedule(3, 0))
    assert samples["a"] == [1.0] * 3


def test_a_short_pass_has_as_many_lead_in_passes_as_caches_need(device: Device) -> None:
    warming = device.takes("a", *(5, 4, 2, 1, 1) * 3)
    samples = device.sample([Variant("a", (warming,), lead_in=True)], Schedule(3, 0))
    assert samples["a"] == [1.0] * 3
    assert len(device.runs) == 3 * 5


def test_a_long_pass_has_a_lead_in_only_until_it_is_known_to_be_long(device: Device) -> None:
    samples = device.sample([Variant("a", (device.takes("a", 100),), lead_in=True)], Schedule(4, 0))
    assert samples["a"] == [100.0] * 4
    assert len(device.runs) == 5


def test_what_comes_before_a_pass_is_run_before_each_and_not_timed(device: Device) -> None:
    part = Variant("a", (device.takes("a", 2),), inner=3, before=device.takes("rest", 50))
    samples = device.sample([part], Schedule(2, 0))
    assert samples["a"] == [2.0, 2.0]
    assert device.runs == ["rest", "a"] * 8  # of four, the first is untimed: it finds what others left


def test_what_others_are_compared_with_is_sampled_several_times_a_repetition(device: Device) -> None:
    base = Variant("base", (device.takes("base", 1),), times=3)
    other = Variant("other", (device.takes("other", 2),))
    samples = device.sample([base, other], Schedule(5, 0))
    assert samples == {"base": [1.0] * 15, "other": [2.0] * 5}
    repetitions = [device.runs[i : i + 4] for i in range(0, 20, 4)]
    assert all(sorted(repetition) == ["base"] * 3 + ["other"] for repetition in repetitions)
    assert len({tuple(repetition) for repetition in repetitions}) > 1


def test_sampling_ends_early_once_the_watched_medians_are_known(device: Device) -> None:
    steady, wild = (
        Variant("steady", (device.takes("s", 2),)),
        Variant("wild", (device.takes("w", 1, 5, 1, 9),)),
    )
    assert len(device.sample([steady, wild], Schedule(6, 60), watched=("steady",))["steady"]) == 8


def test_sampling_goes_on_for_its_time_while_a_watched_median_is_not_known(device: Device) -> None:
    wild = Variant("wild", (device.takes("w", *([1, 9] * 500)),))
    assert len(device.sample([wild], Schedule(4, 0.5), watched=("wild",))["wild"]) == 100  # 0.5 s of 5 ms


def test_the_minimum_comes_before_the_time(device: Device) -> None:
    assert len(device.sample([Variant("a", (device.takes("a", 1000),))], Schedule(12, 1))["a"]) == 12


def test_progress_counts_repetitions_up_to_what_the_time_allows(device: Device) -> None:
    seen: list[tuple[int, int]] = []
    interleave(
        [Variant("a", (device.takes("a", *([1, 9] * 500)),))],
        Schedule(2, 0.1),
        watched=["a"],
        seed=0,
        synchronize=device.synchronize,
        progress=lambda done, total: seen.append((done, total)),
        clock_ns=device.clock_ns,
    )
    assert [done for done, _ in seen] == list(range(1, 21))
    assert all(done <= total for done, total in seen)


def test_the_device_is_waited_for_around_every_sample(device: Device) -> None:
    device.sample([Variant("a", (device.takes("run", 1),), inner=2)], Schedule(1, 0))
    assert device.log == ["wait", "run", "run", "wait"]


def test_warm_up_ends_once_stable_and_says_how_long_a_pass_takes(device: Device) -> None:
    settling = Variant("a", (device.takes("a", 90, 30, 10, 3, 2, 2),))
    assert warm_up(settling, device.synchronize, clock_ns=device.clock_ns) == 2.0
    assert len(device.runs) == 9  # three at 2 ms after three whose median is 2 ms


def test_warm_up_gives_up_on_what_never_settles(device: Device) -> None:
    growing = Variant("a", (device.takes("a", *(1.5**n for n in range(30))),))
    warm_up(growing, device.synchronize, seconds=1e9, clock_ns=device.clock_ns)
    assert len(device.runs) == 20


@pytest.mark.parametrize(("pass_ms", "seconds", "passes"), [(800, 1.0, 2), (800, 0.1, 1), (30, 0.0, 3), (30, 0.1, 4)])
def test_warm_up_of_something_slow_ends_with_the_time(
    device: Device, pass_ms: float, seconds: float, passes: int
) -> None:
    variant = Variant("a", (device.takes("a", pass_ms),))
    assert warm_up(variant, device.synchronize, seconds, device.clock_ns) == pass_ms
    assert len(device.runs) == passes


def test_the_real_clock_measures_real_work() -> None:
    work = [list(range(20_000)), list(range(200_000))]
    variants = [Variant(str(i), (lambda i=i: sum(work[i]),)) for i in range(2)]  # type: ignore[misc]
    samples = interleave(variants, Schedule(9, 0), watched=[], seed=0, synchronize=lambda: None)
    assert 2 < min(samples["1"]) / min(samples["0"]) < 50  # ten times the work


@pytest.mark.parametrize(("pass_ms", "inner"), [(0.01, 100), (0.3, 4), (1.0, 1), (25.0, 1)])
def test_short_operations_are_passed_often_enough_for_the_clock(pass_ms: float, inner: int) -> None:
    assert inner_passes(pass_ms) == inner
