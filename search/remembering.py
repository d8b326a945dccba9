"""A profile that is asked for the costs of the same plans again and again, by a page that is built anew."""

from dataclasses import fields
from functools import cached_property

from greenfront.hardware_profiles import Cost, HardwareProfile
from greenfront.spaces import Plan


class RememberingProfile(HardwareProfile):
    """Predicts as the profile that it is made of, each plan once: 2 kB a plan are kept."""

    @classmethod
    def of(cls, profile: HardwareProfile) -> "RememberingProfile":
        """Of a profile."""
        return cls(**{field.name: getattr(profile, field.name) for field in fields(profile)})

    @cached_property
    def _known(self) -> dict[Plan, Cost]:
        return {}

    def predict(self, plan: Plan) -> Cost:
        """As `HardwareProfile.predict`."""
        if plan not in self._known:
            self._known[plan] = super().predict(plan)
        return self._known[plan]
