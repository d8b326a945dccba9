"""What `greenfront init` found out of one setting by itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Guess:
    """A setting by its dotted key in the YAML (`data.label`), its value (None: left out) and what speaks for it.

    `doubt` says what else it could be; empty where the guess is sure.
    """

    key: str
    value: object
    why: str
    doubt: str = ""
