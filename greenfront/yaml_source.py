"""A YAML file as data, with the line of every key; and the words for what is wrong with one."""

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from greenfront.errors import ConfigError
from greenfront.json_source import read_text

KeyPath = tuple[str | int, ...]
"""Keys and list indices from the top: `("hardware", 0, "threads")`."""
MAX_KEYS = 10_000
"""More keys than any configuration has; anchors that multiply themselves end here."""
MOST_BYTES = 2**18
"""A hundred times what `greenfront init` writes: numbers such as 1:1:1:... take quadratic time to read."""
MOST_DIGITS = 18
# YAML 1.1, which PyYAML speaks, reads `1e-4` as text; YAML 1.2 and every user read a number.
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+\Z")

RULES = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "invalid_key": "as a key must be text",
    "string_too_short": "must not be empty",
    "path_type": "must be a path",
    "is_instance_of": "must be a path",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
}
"""Kinds of pydantic's errors -> the rule in our words."""


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads `1e-4` as a number, and no whole number that nobody means."""

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """A whole number of at most `MOST_DIGITS` digits: Python writes larger ones slowly, or not at all."""
        number: int = super().construct_yaml_int(node)
        if abs(number) >= 10**MOST_DIGITS:
            problem = f"found a whole number of more than {MOST_DIGITS} digits"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return number


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes the text `1e-4`, and indents lists below their key."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


@dataclass
class Problems:
    """What is wrong with one configuration, collected so that it can be said at once.

    `source` is the file (None: the configuration came from code), `lines` the line of every key in it.
    """

    source: Path | None = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    _found: list[tuple[int, str]] = field(default_factory=list)
    values: int = 0
    """How many values were met, those of anchors wherever they are used."""

    def add(self, path: KeyPath, text: str, line: int | None = None) -> None:
        """Note one problem at a key; a key that isn't in the file gets the line of the section around it."""
        if self.lines:  # a lone mapping may stand for a list of one: the file has no index there
            ends = range(1, len(path) + 1)
            path = tuple(path[n - 1] for n in ends if path[:n] in self.lines or isinstance(path[n - 1], str))
        if line is None:
            line = next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), 1)
        where = f"{self.source}:{line}: " if self.source else ""
        key = dotted(path)
        self._found.append((line, f"{where}{key}: {text}" if key else f"{where}{text}"))

    def explain(self, root: type[BaseModel], error: ValidationError) -> None:
        """Note everything that pydantic found in data for `root`, in our words."""
        for details in error.errors(include_url=False):
            path: KeyPath = tuple(part for part in details["loc"] if part != "[key]")
            if details["type"] == "invalid_key" or "[key]" in details["loc"]:
                path = (*path[:-1], str(path[-1]))  # a key that is a number, not an index
            self.add(path, explanation(root, path, details))

    def check(self) -> None:
        """Raise ConfigError with one line per problem, in the order of the file, if there is any."""
        if self._found:
            raise ConfigError("\n".join(text for _, text in sorted(self._found, key=lambda found: found[0])))


def load_yaml(path: Path) -> tuple[Any, dict[KeyPath, int]]:
    """Read a YAML file with the safe loader; also the line (from 1) of every key and list item.

    Raises:
        ConfigError: no such file, not readable, too large, not UTF-8, not YAML, or a duplicate key; names file and
            line.
    """
    try:
        text = read_text(path, MOST_BYTES)
    except FileNotFoundError:
        beside = f"; beside it would be {names}" if (names := _yaml_beside(path)) else ""
        raise ConfigError(f"{path}: no such file{beside}; `greenfront init {path}` writes one") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: must be a YAML file, but it is a folder") from None
    except UnicodeDecodeError as error:
        what = f"byte {error.start} isn't ({error.reason})"
        raise ConfigError(f"{path}: must be UTF-8 text, but {what}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: can't be read: {getattr(error, 'strerror', error)}") from None
    return read_yaml(text, path)


def read_yaml(text: str, source: Path | None = None) -> tuple[Any, dict[KeyPath, int]]:
    """`load_yaml` for text; `source` only gives the messages a name. Raises ConfigError."""
    problems = Problems(source)
    if text.count("[") + text.count("{") > MAX_KEYS:  # PyYAML takes quadratic time to give up on such
        problems.add((), f"not valid YAML: more than {MAX_KEYS:,} keys", 1)
        problems.check()
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            _walk(node, (), (), problems)
        problems.check()
        return (None if node is None else loader.construct_document(node)), problems.lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.context, error.problem) if part)
        column = f"column {mark.column + 1}: " if mark else ""
        problems.add((), f"{column}not valid YAML: {what}", mark.line + 1 if mark else 1)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problems.add((), f"not valid YAML: character {error.character:#x} is not allowed", line)
    except RecursionError:
        problems.add((), "not valid YAML: nested too deeply")
    except (ValueError, OverflowError) as error:
        if isinstance(error, ConfigError):
            raise
        problems.add((), f"not valid YAML: {error}")  # such as the date 2024-13-45
    problems.check()
    raise AssertionError("unreachable: every branch above returned or noted a problem")


def dump_yaml(data: Any) -> str:
    """Plain data as YAML in its own order; `read_yaml` and other YAML 1.1 and 1.2 readers load it again."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return text.removesuffix("...\n")  # PyYAML ends a lone plain scalar with the end-of-document mark


def explanation(root: type[BaseModel], path: KeyPath, details: ErrorDetails) -> str:
    """One error of pydantic in data for `root` as a rule and the value, without pydantic's terms."""
    kind, value = details["type"], details["input"]
    context = details.get("ctx", {})
    if kind == "value_error":  # ours: says rule and value; a quantity's begins with its key, said before it
        return str(context["error"]).removeprefix(f"{path[-1] if path else ''}: ")
    if kind == "extra_forbidden":
        return _unknown_key(root, path, value)
    inner = _model_at(root, path)
    mapping = f"a mapping with some of the keys {_keys(inner)}" if inner else None
    if kind == "missing":
        return f"is missing; must be {mapping or _field_at(root, path).description}"
    if kind in ("model_type", "tuple_type", "dict_type"):
        rule = f"must be {mapping or ('a mapping' if kind == 'dict_type' else 'a list')}"
    elif kind == "literal_error":
        rule = f"must be {context['expected']}"
        close = nearest(value, re.findall(r"'([^']*)'", rule)) if isinstance(value, str) else None
        rule += f" (did you mean {close!r}?)" if close else ""
    else:
        rule = RULES.get(kind, "can't be used").format(**context)
        rule = f"as a key {rule}" if "[key]" in details["loc"] else rule
    if kind == "string_type" and value is not None:
        rule += " (put it in quotes)" if not isinstance(value, list | dict) else ""
    return f"{rule}, but it has no value" if value is None else f"{rule}, but got {shown(value)}"


def _unknown_key(root: type[BaseModel], path: KeyPath, value: object) -> str:
    """What to write instead: a key of the same section, or the section that has this key."""
    parent = _model_at(root, path[:-1]) or root
    key = str(path[-1])
    close = nearest(key, parent.model_fields) or next(_places(root, key, ()), None)
    hint = f"did you mean `{close}`? " if close else ""
    return f"unknown key (with value {shown(value)}); {hint}valid keys: {_keys(parent)}"


def _keys(model: type[BaseModel]) -> str:
    return ", ".join(model.model_fields)


def _places(model: type[BaseModel], key: str, above: KeyPath) -> Iterator[str]:
    """Dotted paths of the fields called `key` in the sections of `model`."""
    for name in model.model_fields:
        if name == key:
            yield dotted((*above, name))
        inner = _model_at(model, (name,))
        if inner is not None:
            yield from _places(inner, key, (*above, name))


def _field_at(model: type[BaseModel], path: KeyPath) -> FieldInfo:
    parent = _model_at(model, path[:-1]) or model
    return parent.model_fields[str(path[-1])]


def _model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """The section that a path leads to; None where it leads to a plain value."""
    for name in (part for part in path if isinstance(part, str)):
        if name not in model.model_fields:
            return None
        annotation = model.model_fields[name].annotation
        models = [part for part in (annotation, *get_args(annotation)) if _is_model(part)]
        if not models:
            return None
        model = models[0]
    return model


def _is_model(part: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(part, type) and not get_args(part) and issubclass(part, BaseModel)


def dotted(path: KeyPath) -> str:
    """`("hardware", 0, "threads")` as people read it: `hardware[0].threads`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def shown(value: object) -> str:
    """A value for a message, cut to one short line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def nearest(word: str, valid: Iterable[str]) -> str | None:
    """The valid word most like `word`: one typing error away, else the most similar, else None."""
    words = list(valid)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return next((candidate for candidate in words if _one_edit(word, candidate)), close[0] if close else None)


def _one_edit(a: str, b: str) -> bool:
    """Whether `a` becomes `b` by one letter more, less or another, by two neighbours swapped, or is `b`."""
    while a and b and a[0] == b[0]:
        a, b = a[1:], b[1:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    return max(len(a), len(b)) <= 1 or (len(a) == 2 and a == b[::-1])


def _walk(node: yaml.Node, path: KeyPath, above: tuple[yaml.Node, ...], problems: Problems) -> None:
    """Note the line of every key below `node`, and keys that stand twice."""
    if node in above:
        raise yaml.constructor.ConstructorError(None, None, "an anchor contains itself", node.start_mark)
    problems.values += 1
    if problems.values > MAX_KEYS:
        raise yaml.constructor.ConstructorError(None, None, f"more than {MAX_KEYS:,} keys", node.start_mark)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            problems.lines[(*path, index)] = item.start_mark.line + 1
            _walk(item, (*path, index), (*above, node), problems)
    elif isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        merge = "tag:yaml.org,2002:merge"  # `<<: *anchor`: its keys may stand again in this mapping
        for value in [value for key, value in node.value if key.tag == merge]:
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                _walk(merged, path, (*above, node), problems)
        for key, value in node.value:
            if key.tag == merge:
                continue
            name, line = _key_text(key), key.start_mark.line + 1
            if key.tag != "tag:yaml.org,2002:str":
                problems.add((*path, name), "as a key must be text (put it in quotes)", line)
            if name in first:
                again = f"stands twice, first on line {first[name]}; keep one of them"
                problems.add((*path, name), again, line)
            first.setdefault(name, line)
            problems.lines[(*path, name)] = line
            _walk(value, (*path, name), (*above, node), problems)


def _key_text(key: yaml.Node) -> str:
    return str(key.value) if isinstance(key, yaml.ScalarNode) else "[...]"


def _yaml_beside(path: Path) -> str | None:
    """YAML files in the folder of `path` with a name like it, for a message."""
    if not path.parent.is_dir():
        return None
    names = sorted(entry.name for entry in path.parent.iterdir() if entry.suffix in (".yaml", ".yml"))
    close = difflib.get_close_matches(path.name, names, n=3) or names[:3]
    return ", ".join(close) or None
