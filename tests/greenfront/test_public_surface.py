"""What `from greenfront... import` offers: complete, importable, documented."""

import importlib
import inspect
from pathlib import Path
from types import ModuleType

import pytest

PACKAGES = (
    "greenfront",
    "greenfront.evaluators",
    "greenfront.hardware_profiles",
    "greenfront.search",
    "greenfront.spaces",
)


@pytest.fixture(params=PACKAGES)
def package(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def test_every_offered_name_exists(package: ModuleType) -> None:
    assert package.__all__
    assert len(set(package.__all__)) == len(package.__all__)
    for name in package.__all__:
        assert hasattr(package, name), f"{package.__name__}.__all__ offers {name}, which is not there"
        assert name in dir(package), f"{package.__name__}.{name} is there, but dir() doesn't show it"


def test_every_public_name_is_offered(package: ModuleType) -> None:
    # What was imported for use inside (typing.Any) is not part of the surface; only our own things are.
    public = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and str(getattr(value, "__module__", "")).startswith("greenfront")
    }
    assert public <= set(package.__all__)


def test_no_offered_name_is_that_of_a_module(package: ModuleType) -> None:
    # Importing such a module puts it in the name's place; `fingerprint` is there before anything can do so.
    modules = {path.stem for path in Path(str(package.__path__[0])).glob("*.py")}
    assert set(package.__all__) & modules <= {"fingerprint"}


def test_every_offered_name_is_documented(package: ModuleType) -> None:
    assert package.__doc__
    for name in package.__all__:
        value = getattr(package, name)
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            continue  # a constant or an alias of a type has no docstring of its own
        text = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
        # A dataclass without a docstring gets its signature as one.
        assert text, f"{package.__name__}.{name} has no docstring"
        assert not text.startswith(f"{name}("), f"{package.__name__}.{name} has no docstring"


def test_the_front_door_offers_the_whole_way() -> None:
    front_door = importlib.import_module("greenfront")
    expected = {"Plan", "RunConfig", "compress", "export", "load", "load_config", "search"}
    assert expected <= set(front_door.__all__)


def test_an_unknown_name_is_an_ordinary_error() -> None:
    front_door = importlib.import_module("greenfront")
    with pytest.raises(AttributeError, match="serach"):
        front_door.serach  # noqa: B018
