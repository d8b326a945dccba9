"""How a trial was trained, in words."""

from greenfront.search.journal import Result


def paused_words(result: Result, whole: str = "") -> str:
    """Where a paused trial stands: `after 15 steps`, and where it took none of them, that it doesn't need them."""
    steps = f"{result.rungs[-1].steps}{whole} steps"
    return f"on the rung of {steps}, which it doesn't need" if result.needless else f"after {steps}"


def untrained_words(result: Result) -> str:
    """That a scored candidate is as it was built, and why, where that is known."""
    if result.reason:
        return f"untrained, as {result.reason}"
    if result.steps is None:
        return "untrained"
    return "untrained, as it needs none" if result.needless else "untrained, as training made it no better"
