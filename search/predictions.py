"""Predicted costs of plans on every target: a driver asks for those of one plan many times while it has it."""

from collections.abc import Mapping
from functools import lru_cache

from greenfront.hardware_profiles import Cost, HardwareProfile
from greenfront.spaces import Plan

REMEMBERED = 4096
"""Plans whose costs are kept, those asked for last: more than are under way, as each is asked for again at its end."""


class Predictions:
    """By profiles, per target."""

    def __init__(self, profiles: Mapping[str, HardwareProfile]) -> None:
        self._profiles = profiles
        self._known = lru_cache(maxsize=REMEMBERED)(self._predicted)  # which several threads may ask at once

    def __call__(self, plan: Plan) -> dict[str, Cost]:
        """Predicted cost per target; raises PlanError as `HardwareProfile.predict`."""
        return self._known(plan)

    def _predicted(self, plan: Plan) -> dict[str, Cost]:
        return {name: profile.predict(plan) for name, profile in self._profiles.items()}
