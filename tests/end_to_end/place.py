"""A folder in which a search could be begun, and how what is asked of it there is refused."""

from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner, Result

from greenfront.cli import app


@dataclass(frozen=True)
class Place:
    """A folder with a configuration that could be used, to be spoilt in one point."""

    folder: Path

    @property
    def yaml(self) -> Path:
        return self.folder / "news.yaml"

    @property
    def output(self) -> Path:
        return self.folder / "run"

    def contents(self) -> dict[str, bytes]:
        """Every file below the folder."""
        return {str(p.relative_to(self.folder)): p.read_bytes() for p in self.folder.rglob("*") if p.is_file()}


def refused(*arguments: str, says: list[str]) -> Result:
    """The program refuses: code 2, one message with these words on stderr, no traceback."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 2, f"{result.exit_code}: {result.output}\n{result.exception!r}"
    assert "Traceback" not in result.output
    assert result.stderr.count("error:") == 1
    for words in says:
        assert words in result.stderr
    return result
