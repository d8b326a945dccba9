"""The pages of docs/, and the code that stands in them."""

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@dataclass(frozen=True)
class Code:
    """A fenced block: its language, its text and the line of its page where the text begins."""

    language: str
    text: str
    line: int


def code_of(page: Path) -> list[Code]:
    """Every fenced block of a page, in its order."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    return [
        Code(token.info.strip(), token.content, token.map[0] + 2)
        for token in tokens
        if token.type == "fence" and token.map is not None
    ]


def python_of(page: Path) -> list[Code]:
    """Its Python."""
    return [code for code in code_of(page) if code.language == "python"]


def module_of(page: Path, code: Code, name: str) -> ModuleType:
    """A block as a module of this name, which can be imported from then on; tracebacks name the page."""
    module = ModuleType(name)
    sys.modules[name] = module
    exec(compile("\n" * (code.line - 1) + code.text, page, "exec"), module.__dict__)
    return module
