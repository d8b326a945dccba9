"""`greenfront init`: the first configuration file, by flags or as a conversation."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from greenfront.errors import ConfigError
from greenfront.guess import Guess
from greenfront.terminal import Console


def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("greenfront.yaml"),
    model: Annotated[str | None, typer.Option(help="A model folder or hub id.")] = None,
    data: Annotated[str | None, typer.Option(help="A data file, a folder or a hub id.")] = None,
    task: Annotated[str | None, typer.Option(help="Such as text-classification; default: guessed.")] = None,
    train: Annotated[str | None, typer.Option(help="The training data: a CSV, JSON or Parquet file.")] = None,
    validation: Annotated[str | None, typer.Option(help="The validation data.")] = None,
    test: Annotated[str | None, typer.Option(help="The test data.")] = None,
    text: Annotated[str | None, typer.Option(help="The column with the text, the image or the context.")] = None,
    label: Annotated[str | None, typer.Option(help="The column with the label, or the answers.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Tokens that are read of a text.")] = None,
    latency: Annotated[str | None, typer.Option(help="A budget such as `8 ms` or `50%`.")] = None,
    size: Annotated[str | None, typer.Option(help="A budget such as `30 MB` or `50%`.")] = None,
    accuracy_drop: Annotated[str | None, typer.Option(help="A budget such as `1%`.")] = None,
) -> None:
    """Look at a model, its data and this machine, and write a commented configuration file.

    Without model or data it asks for them on a terminal, and elsewhere writes an example.
    """
    from greenfront.config import parse_config
    from greenfront.template import example_settings, nested, render_template

    if path.exists():
        raise ConfigError(f"{path} exists; nothing was written over")
    files = {name: file for name, file in (("train", train), ("validation", validation), ("test", test)) if file}
    given = {
        "model.task": task, "data.text": text, "data.image": text, "data.context": text, "data.label": label,
        "data.answers": label, "data.max_length": max_length, "budgets.latency": latency, "budgets.size": size,
        "budgets.accuracy_drop": accuracy_drop,
    }  # fmt: skip
    given = {key: value for key, value in given.items() if value is not None}
    sure = {key: value for key, value in given.items() if key == "data.max_length" or not key.startswith("data.")}
    parse_config(nested({**example_settings(), **sure}), locate=False)  # before anything is looked at, or said
    console = Console()
    doubts: dict[str, str] = {}
    if (model and (data or train)) or on_a_terminal():
        guesses = _guesses(model, data, files, given, console)
        settings = {guess.key: guess.value for guess in guesses}
        doubts = {guess.key: guess.doubt for guess in guesses if guess.key not in given}
    else:
        example = {"model": model, "task": task, "train": train, "test": test, "column": text, "label": label}
        settings = example_settings(**{name: value for name, value in example.items() if value})
        settings |= sure
    try:
        path.write_text(render_template(settings, doubts, folder=path.parent), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}") from error
    unsure = ", ".join(key for key, doubt in doubts.items() if doubt)
    look = f"Look at what is unsure in it ({unsure})" if unsure else "Edit it as you like"
    console.print(
        f"{escape(str(path))} written. {look}, then:\n"
        f"  greenfront check {escape(str(path))}\n  greenfront search {escape(str(path))}", highlight=False,
    )  # fmt: skip


def on_a_terminal() -> bool:
    """Whether somebody may answer."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _guesses(
    model: str | None, data: str | None, files: dict[str, str], given: dict[str, Any], console: Console
) -> list[Guess]:
    """What model, data and machine tell, after questions where model or data are not given."""
    from greenfront.conversation import Conversation
    from greenfront.evaluators.guess_task import read_material
    from greenfront.guessing import guess_all, said

    if model and (data or files.get("train")):
        material = read_material(model, data, files)
        guesses = guess_all(material, given)
        console.print(said(material, guesses))
        return guesses
    conversation = Conversation(console)
    return conversation.settle(conversation.material(model, data, files), given)
