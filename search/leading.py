"""Who leads before anything is measured: the front by predicted costs."""

import numpy as np

from greenfront.search.candidate import Candidate
from greenfront.search.front import Front, minimised_objective, pareto_mask


def leading_on(front: Front, target: str) -> tuple[Candidate, ...]:
    """The feasible candidates that no other one dominates on a target, by prediction; none once one is measured."""
    if any(candidate.verified for candidate in front.candidates):
        return ()
    runners = [candidate for candidate in front.candidates if candidate.feasible]
    points = np.array([[minimised_objective(c, name, target) for name in front.objectives] for c in runners])
    mask = pareto_mask(points.reshape(len(runners), len(front.objectives)))
    return tuple(candidate for candidate, leads in zip(runners, mask, strict=True) if leads)
