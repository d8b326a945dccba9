"""What a search itself took, in CPU hours, energy, CO2 and money, to be held against what its result saves.

Nothing counts the energy of a search, so all of it is estimated, and called so: CPU hours are the seconds of every
stage times the threads that it may keep busy, energy is that times the power of a thread.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from greenfront.config import RunConfig
from greenfront.errors import RunError
from greenfront.hardware_profiles import HardwareProfile
from greenfront.hardware_profiles.energy import WATTS_PER_THREAD, estimated_watts
from greenfront.search.fields import mapping
from greenfront.search.markup import paragraph, table
from greenfront.search.run_folder import RunFolder
from greenfront.search.wording import number

MEASURING = ("profile", "verification")
"""Stages that have the machine to themselves and use the threads of a target."""


@dataclass(frozen=True)
class Stage:
    """One part of a run: how long it took, and how many threads it may have kept busy."""

    name: str
    seconds: float
    threads: int

    @property
    def cpu_hours(self) -> float:
        """At most, as not all threads are busy all the time."""
        return self.seconds * self.threads / 3600


@dataclass(frozen=True)
class Spent:
    """`watts`: of a thread; `grid_intensity`: g CO2 per kWh; `price`: of one kWh, in the configuration's currency."""

    stages: tuple[Stage, ...]
    watts: float
    grid_intensity: float
    price: float

    @property
    def cpu_hours(self) -> float:
        """Of all stages."""
        return sum(stage.cpu_hours for stage in self.stages)

    @property
    def kwh(self) -> float:
        """The energy."""
        return self.cpu_hours * self.watts / 1000


def spent(run: RunFolder, config: RunConfig, profiles: Mapping[str, HardwareProfile]) -> Spent | None:
    """That of the last start of a run, by its summary; None where it has none, or one that can't be read."""
    target = next((profile.target for profile in profiles.values()), None)
    if target is None or not run.summary.exists():
        return None
    try:
        seconds = mapping(json.loads(run.summary.read_text(encoding="utf-8"))["seconds"], "seconds")
        cores = int(json.loads(run.environment.read_text(encoding="utf-8"))["machine"]["cores"])
        stages = tuple(_stage(name, float(value), config, cores, target.threads) for name, value in seconds.items())
    except (OSError, ValueError, KeyError, TypeError, RunError):
        return None  # this part of the page is left out; nothing else depends on it
    here = target.device == "cpu"
    watts = estimated_watts(replace(target, threads=1, power=_share(target.power, target.threads)))
    return Spent(stages, watts if here else WATTS_PER_THREAD, target.grid_intensity, target.price)


def spent_section(found: Spent | None) -> str:
    """The markup: what went into the search, and where the page says after how many queries that is saved."""
    if found is None:
        return ""
    rows = [(s.name, f"{s.seconds:.0f}", str(s.threads), number(s.cpu_hours)) for s in found.stages]
    rows.append(("all", f"{sum(s.seconds for s in found.stages):.0f}", "", number(found.cpu_hours)))
    words = (
        f"Estimated, as nothing counts it: at most {number(found.cpu_hours)} CPU hours, at {number(found.watts)} W a "
        f"thread {number(found.kwh)} kWh, {number(found.kwh * found.grid_intensity)} g of CO2 at "
        f"{number(found.grid_intensity)} g per kWh, and electricity for {number(found.kwh * found.price)} at "
        f"{number(found.price)} per kWh. It is the last start of the run; a stage counts all threads that it may use."
    )
    return (
        f"<h2>What the search took</h2>{paragraph(words)}"
        + table("Stages of the search", "stages", ("stage", "seconds", "threads, at most", "CPU hours, at most"), rows)
        + "<h2>What it saves</h2>"
        + paragraph(
            "The energy of a query of the original less that of the candidate, times a million. CO2 and electricity "
            "follow from the energy, so each has paid for itself after the same number of queries."
        )
        + '<div class="controls"><label>Queries a day <input type="number" id="queries" min="1" step="any" '
        'value="100000"></label></div><div id="payback"></div>'
    )


def _stage(name: str, seconds: float, config: RunConfig, cores: int, measured_threads: int) -> Stage:
    if name == "search":
        return Stage(name, seconds, config.workers() * config.ray.threads_per_worker)
    return Stage(name, seconds, measured_threads if name in MEASURING else cores)


def _share(power: float | None, threads: int) -> float | None:
    """What the configuration says of all threads, of one."""
    return None if power is None else power / threads


def page_values(found: Spent | None) -> dict[str, float] | None:
    """What the page computes with, None where nothing is known."""
    return None if found is None else {"cpu_hours": found.cpu_hours, "kwh": found.kwh}
