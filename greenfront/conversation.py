"""The questions of `greenfront init` on a terminal; Enter takes what stands in brackets."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.prompt import Prompt

from greenfront.config import parse_config
from greenfront.errors import ConfigError, GreenfrontError
from greenfront.guess import Guess
from greenfront.guessing import guess_all, said
from greenfront.template import nested
from greenfront.yaml_source import read_yaml

if TYPE_CHECKING:
    from greenfront.evaluators.guess_task import Material

BUDGETS = {
    "budgets.latency": "One query may take at most (50% of the original's, or 8 ms; Enter: any time)",
    "budgets.size": "The weights may have at most (50%, 30 MB; Enter: any size)",
    "budgets.accuracy_drop": "Of the original's accuracy may be lost at most (1%; Enter: any share)",
}


class Conversation:
    """Questions and answers on a console."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def ask(self, question: str, default: str = "") -> str:
        """An answer, or the default; raises ConfigError where nobody answers any more."""
        try:
            return Prompt.ask(escape(question), console=self._console, default=default, show_default=bool(default))
        except EOFError as error:
            raise ConfigError("nobody answers; give --model and --data instead (`greenfront init --help`)") from error

    def say(self, error: GreenfrontError) -> None:
        """What is wrong with an answer."""
        self._console.print(f"[red]{escape(str(error))}[/red]", highlight=False, soft_wrap=True)

    def material(self, model: str | None, source: str | None, files: Mapping[str, str]) -> "Material":
        """The model and the data, asked for until they can be read; what is given isn't asked."""
        from greenfront.evaluators.guess_task import read_material

        while True:
            path = model or self.ask("Model (a folder or a hub id)")
            data = source or files.get("train") or self.ask("Data (a file, a folder or a hub id)")
            try:
                with self._console.status("looking at them"):
                    return read_material(path, data, files)
            except GreenfrontError as error:
                self.say(error)
                model, source, files = None, None, {}

    def settle(self, material: "Material", given: dict[str, Any]) -> list[Guess]:
        """The guesses, once whoever answers has decided those that are unsure, the budgets and anything else."""
        guesses = guess_all(material, given)
        self._console.print(said(material, guesses))
        while True:
            unsure = (guess for guess in guesses if guess.doubt and guess.value is not None)
            guess = next(unsure, None)
            if guess is None:
                break
            answer = self.ask(f"{guess.key}: {guess.why}; unsure: {guess.doubt}", str(guess.value))
            # Enter decides, too. A text is taken as it stands: a column may be called `no`.
            value = answer if isinstance(guess.value, str) else None
            decided = self._with(material, given, guess.key, answer, value)
            if decided is not None:
                guesses = decided
        for key, question in BUDGETS.items():
            while key not in given and (answer := self.ask(question)):
                guesses = self._with(material, given, key, answer) or guesses
        while answer := self.ask("Anything else (KEY=VALUE, such as search.trials=20; Enter: write the file)"):
            key, equals, value = answer.partition("=")
            if equals:
                guesses = self._with(material, given, key.strip(), value.strip()) or guesses
            else:
                self.say(ConfigError(f"must be KEY=VALUE, but got {answer!r}"))
        return guesses

    def _with(
        self, material: "Material", given: dict[str, Any], key: str, answer: str, value: str | None = None
    ) -> list[Guess] | None:
        """The guesses with one more key given, which is kept; None, and why, where it can't be. An answer without its
        `value` is read as YAML."""
        try:
            value = read_yaml(answer)[0] if value is None else value
            guesses = guess_all(material, {**given, key: value})
            parse_config(nested({guess.key: guess.value for guess in guesses}), locate=False)
        except GreenfrontError as error:
            self.say(error)
            return None
        given[key] = value
        return guesses
