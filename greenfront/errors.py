"""Everything Greenfront raises on purpose.

    GreenfrontError                exit code 1
    ├── ConfigError  (ValueError)  exit code 2   a YAML file, flag or argument that can't be used
    ├── DataError    (ValueError)  exit code 2   a data file or model folder that can't be used
    ├── PlanError    (ValueError)  exit code 2   a Plan that doesn't fit its model
    ├── RunError     (RuntimeError) exit code 2  a run folder that can't be used
    ├── BudgetError  (ValueError)  exit code 3   no candidate meets every budget
    ├── MeasureError (RuntimeError) exit code 1  the machine can't be measured
    ├── NoRoom       (MemoryError)  exit code 1  a trial that its machine has no memory for
    └── Diverged     (ArithmeticError) exit code 1  training met NaN or infinity

A message says what, where, the value and what would be valid; the command line prints it without a traceback.
"""


class GreenfrontError(Exception):
    """Base of all deliberate errors; `exit_code` is what the command line ends with."""

    exit_code = 1


class ConfigError(GreenfrontError, ValueError):
    """A configuration, flag or argument that can't be used."""

    exit_code = 2


class DataError(GreenfrontError, ValueError):
    """Data or a model folder that can't be used."""

    exit_code = 2


class PlanError(GreenfrontError, ValueError):
    """A Plan that doesn't fit the model it is applied to."""

    exit_code = 2


class RunError(GreenfrontError, RuntimeError):
    """A run folder that is missing, foreign or unfinished."""

    exit_code = 2


class BudgetError(GreenfrontError, ValueError):
    """No candidate meets every budget; the message names the closest one and the binding budget."""

    exit_code = 3


class MeasureError(GreenfrontError, RuntimeError):
    """A measurement failed, or can't be trusted."""


class NoRoom(GreenfrontError, MemoryError):  # noqa: N818 - said of one trial, the search goes on
    """Training a candidate would take more memory than its machine has free."""


class Diverged(GreenfrontError, ArithmeticError):  # noqa: N818 - it is an event of training, not a fault
    """Training met NaN or infinity and ended early, in its step number `steps` (0: before any, or nobody counted)."""

    def __init__(self, message: str, steps: int = 0) -> None:
        super().__init__(message)
        self.steps = steps
