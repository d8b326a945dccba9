"""The types of the configuration's values: each reads what a person writes, and is written the same way again."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationInfo

from greenfront.cost_names import DIMENSION_OF, Objective
from greenfront.errors import ConfigError
from greenfront.units import Bound, format_duration, format_share, parse_bound, parse_duration, parse_share
from greenfront.yaml_source import shown

Values = TypeVar("Values", bound=tuple[Any, ...])


def _bound(value: Any, info: ValidationInfo) -> Bound:
    name = str(info.field_name)
    return value if isinstance(value, Bound) else parse_bound(value, DIMENSION_OF[name], name)


def _seconds(value: Any, info: ValidationInfo) -> float:
    return parse_duration(value, str(info.field_name))


def _share(value: Any, info: ValidationInfo) -> float:
    return parse_share(value, str(info.field_name))


def _share_or_all(value: Any, info: ValidationInfo) -> float:
    return parse_share(value, str(info.field_name), whole=True)


def _share_or_none(value: Any, info: ValidationInfo) -> float:
    return parse_share(value, str(info.field_name), zero=True)


def _path(value: object) -> object:
    return Path(value).expanduser() if isinstance(value, str) and value.strip() else value


def _listen(value: object) -> object:
    text = f"127.0.0.1:{value}" if isinstance(value, int) and not isinstance(value, bool) else value
    host, _, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ConfigError(f"must be a port, or HOST:PORT such as 127.0.0.1:8265, but got {shown(value)}")
    return text


def _distinct(values: Values) -> Values:
    if not values or len(set(values)) < len(values):
        raise ConfigError(f"must be a list of one or more distinct values, but got {shown(list(values))}")
    return values


def _increasing(values: Values) -> Values:
    if len(values) < 2 or any(after <= before for before, after in pairwise(values)):
        raise ConfigError(f"must be `off` or a list of two or more increasing numbers, but got {shown(list(values))}")
    return values


def _storage(url: str) -> str:
    if "://" not in url:
        rule = "must be a URL such as postgresql://USER@HOST/DATABASE or sqlite:///FILE"
        raise ConfigError(f"{rule}, but got {shown(url)}")
    if ":" in urlsplit(url).netloc.rpartition("@")[0]:
        rule = "must hold no password, which would be copied into run folder and report"
        raise ConfigError(f"{rule}: PGPASSWORD, or the file ~/.pgpass, tells it to PostgreSQL")
    return url


def _off(value: object) -> object:
    return None if value in ("off", False) else value  # YAML 1.1 reads a bare `off` as false


Text = Annotated[str, Field(min_length=1)]
Storage = Annotated[str, AfterValidator(_storage)]
Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Budget = Annotated[Bound, BeforeValidator(_bound), PlainSerializer(str)]
Seconds = Annotated[float, BeforeValidator(_seconds), PlainSerializer(format_duration)]
Share = Annotated[float, BeforeValidator(_share), PlainSerializer(format_share)]
ShareOrAll = Annotated[float, BeforeValidator(_share_or_all), PlainSerializer(format_share)]
ShareOrNone = Annotated[float, BeforeValidator(_share_or_none), PlainSerializer(format_share)]
File = Annotated[Path, BeforeValidator(_path), PlainSerializer(str)]
Files = Annotated[tuple[File, ...], Field(strict=False)]
Listen = Annotated[str, BeforeValidator(_listen)]
Lengths = Annotated[tuple[Positive, ...], Field(strict=False), AfterValidator(_distinct)]
Increasing = Annotated[tuple[NotNegative, ...], Field(strict=False), AfterValidator(_increasing)]
Rungs = Annotated[Increasing | None, BeforeValidator(_off)]
Bits = Annotated[tuple[Literal[8, "8w", 16], ...], Field(strict=False), AfterValidator(_distinct)]
Names = Annotated[tuple[Text, ...], Field(strict=False), AfterValidator(_distinct)]
Objectives = Annotated[tuple[Objective, ...], Field(strict=False), AfterValidator(_distinct)]
