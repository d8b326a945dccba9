"""Everything that `greenfront init` finds out by itself, from model, data and machine."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from greenfront.guess import Guess

if TYPE_CHECKING:
    from greenfront.evaluators.guess_task import Material


def guess_all(material: "Material", given: Mapping[str, Any]) -> list[Guess]:
    """A guess, or what is given, of every setting that a run needs or that is given, by dotted keys.

    Raises:
        DataError, ConfigError: what is given doesn't fit the data.
    """
    from greenfront.evaluators.guess_task import guess_task
    from greenfront.hardware_profiles.guess_target import guess_target

    found = {guess.key: guess for guess in (*guess_task(material, given), *guess_target())}
    asked = {key: Guess(key, value, "as given") for key, value in given.items() if _counts(key, found)}
    return [Guess("model.path", material.path, "as given"), *{**found, **asked}.values()]


def _counts(key: str, found: Mapping[str, Guess]) -> bool:
    """Whether a given key is of use: columns are given to all tasks at once, and each reads its own."""
    return key in found or not key.startswith("data.") or key not in COLUMNS


COLUMNS = tuple(f"data.{name}" for name in ("text", "text_pair", "image", "label", "question", "context", "answers"))


def said(material: "Material", guesses: Sequence[Guess]) -> RenderableType:
    """What was looked at, and a line a guess; those that are unsure marked, with what else they could be."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=1)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", max_width=30)
    grid.add_column(style="dim", overflow="fold")
    for guess in guesses:
        if guess.why != "as given" and (guess.doubt or guess.key not in LOOKED_AT):
            value = "left out" if guess.value is None else str(guess.value)
            why = Text(guess.why)
            why.append(f"\n{guess.doubt}" if guess.doubt else "", style="yellow not dim")
            grid.add_row(Text("?" if guess.doubt else "", style="bold yellow"), guess.key, Text(value), why)
    return Group(*map(Text, looked_at(material, guesses)), Padding(grid, (1, 0)))


LOOKED_AT = ("model.path", "data.path", "data.train", "data.validation", "data.test", "hardware.name")
"""What is said beforehand, or says nothing."""


def looked_at(material: "Material", guesses: Sequence[Guess]) -> list[str]:
    """The model, and the splits with their rows; what could not be looked at, and what will be split off."""
    lines = [f"Model    {material.path}{_model_words(material)}"]
    left_out = {guess.key for guess in guesses if guess.value is None}
    used = {name: table for name, table in material.tables.items() if f"data.{name}" not in left_out}
    lines += [f"Data     {name} {len(table.rows):,} rows, {table.source}" for name, table in used.items()]
    missing = [name for name in ("validation", "test") if name not in used]
    lines += [f"         {' and '.join(missing)}: split off train, a tenth each"] if missing else []
    return [*lines, *material.notes]


def _model_words(material: "Material") -> str:
    config = material.config
    if config is None:
        return ""
    text = config.get_text_config()
    layers, width = (getattr(text, name, None) for name in ("num_hidden_layers", "hidden_size"))
    shape = f", {layers} layers x {width}" if layers and width else ""
    return f": {config.model_type}{shape}"
