"""Inputs as somebody would write them who wants to run code, write elsewhere, or wear a program out."""

import json
import os
import pickle
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenfront.config import load_config
from greenfront.search import RunFolder
from tests.end_to_end.place import Place
from tests.search.front_builder import build_front
from tests.search.toy_run import toy_profile

DEEP = "[" * 100_000
HUGE_BYTES = 10 * 2**30
"""Of a file that takes no place on the disk."""
Spoil = Callable[[Place], None]


@dataclass(frozen=True)
class Hostile:
    """What is done to a place, which command meets it, and what its refusal says."""

    spoil: Spoil
    command: tuple[str, ...]
    says: tuple[str, ...]


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., int], tuple[str]]:
        return os.system, (f"touch '{self._path}'",)


def canary(place: Place) -> Path:
    """The file that would be there after foreign code had run."""
    return place.folder / "code-was-run"


def code(place: Place) -> str:
    """Python that says that it was run."""
    return f"open({str(canary(place))!r}, 'w').close()\n"


def pickled(path: Path, place: Place) -> None:
    """A pickle in the place of another file."""
    path.unlink(missing_ok=True)
    path.write_bytes(pickle.dumps({"weight": Touch(canary(place))}))


def huge(path: Path) -> None:
    """Ten gigabytes in the place of another file."""
    path.unlink(missing_ok=True)
    path.touch()
    os.truncate(path, HUGE_BYTES)


def pipe(path: Path) -> None:
    """What would be read from for ever."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def yaml(text: str) -> Spoil:
    """Another configuration."""
    return lambda place: _write(place.yaml, text)


def setting(text: str) -> Spoil:
    """The configuration with another line."""
    return lambda place: _write(place.yaml, f"{text}\n{place.yaml.read_text()}")


def data_setting(text: str) -> Spoil:
    """The configuration with another key of `data`."""
    return lambda place: _write(place.yaml, place.yaml.read_text().replace("  max_length: 32", f"  {text}"))


def _write(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")


def model(change: Callable[[Path, Place], None]) -> Spoil:
    """The model folder, a copy that may be spoilt."""

    def spoil(place: Place) -> None:
        folder = place.folder / "bert"
        source = folder.resolve()
        folder.unlink()
        shutil.copytree(source, folder)
        change(folder, place)

    return spoil


def config_of(values: Mapping[str, Any], without: tuple[str, ...] = ()) -> Callable[[Path, Place], None]:
    """Other values in a model's config.json, and code beside it that they may name."""

    def change(folder: Path, place: Place) -> None:
        raw = json.loads((folder / "config.json").read_text())
        kept = {key: value for key, value in raw.items() if key not in without}
        (folder / "config.json").write_text(json.dumps({**kept, **values}))
        (folder / "evil.py").write_text(code(place))

    return change


def in_model(name: str, content: str) -> Spoil:
    """One file of the model folder with another content."""
    return model(lambda folder, _: _write(folder / name, content))


def profile(change: Callable[[Path, Place], None]) -> Spoil:
    """A profile that the configuration names."""

    def spoil(place: Place) -> None:
        path = place.folder / "board.json"
        toy_profile().save(path)
        change(path, place)
        setting("hardware: {name: board, profile: board.json, elsewhere: true}")(place)

    return spoil


def profile_text(old: str, new: str) -> Spoil:
    """A profile in which one part is another."""

    def change(path: Path, place: Place) -> None:
        text = path.read_text()
        assert old in text
        _write(path, text.replace(old, new, 1))

    return profile(change)


def run(change: Callable[[RunFolder, Place], None]) -> Spoil:
    """A finished run."""

    def spoil(place: Place) -> None:
        found = RunFolder.create(load_config(place.yaml))
        build_front(verified=3, unverified=1).save(found.front)
        shutil.copytree((place.folder / "bert").resolve(), found.original)
        change(found, place)

    return spoil


def front(change: Callable[[dict[str, Any]], None]) -> Spoil:
    """A run whose front.json is another."""

    def spoil(found: RunFolder, _: Place) -> None:
        raw = json.loads(found.front.read_text())
        change(raw)
        found.front.write_text(json.dumps(raw))

    return run(spoil)


def front_text(text: str) -> Spoil:
    """A run with this in the place of front.json."""
    return run(lambda found, _: _write(found.front, text))


def original(change: Callable[[Path, Place], None]) -> Spoil:
    """A run whose original is another."""
    return run(lambda found, place: change(found.original, place))


def link(name: str, target: str) -> Spoil:
    """A run in which a file or folder is a link out of it."""

    def spoil(found: RunFolder, place: Place) -> None:
        path = found.path / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.symlink_to(place.folder / target)

    return run(spoil)


def metric_script(place: Place) -> None:
    """A metric that is code, beside the configuration that names it."""
    (place.folder / "evil.py").write_text(code(place))
    data_setting("metric: evil.py")(place)


def metric_folder(place: Place) -> None:
    """The same as `evaluate` knows it, a folder with a script of its name."""
    (place.folder / "evil").mkdir()
    (place.folder / "evil" / "evil.py").write_text(code(place))
    data_setting("metric: evil")(place)


def run_with_metric_script(found: RunFolder, place: Place) -> None:
    """A run whose own configuration names code, and trusts it."""
    script = found.path / "evil.py"
    script.write_text(code(place))
    text = found.config.read_text()
    found.config.write_text(
        text.replace("metric: accuracy", f"metric: {script}").replace(
            "trust_remote_code: false", "trust_remote_code: true"
        )
    )


def data_folder(fill: Callable[[Path, Place], None]) -> Spoil:
    """A folder as the data."""

    def spoil(place: Place) -> None:
        folder = place.folder / "table"
        folder.mkdir()
        fill(folder, place)
        text = place.yaml.read_text()
        _write(place.yaml, text.replace("  train: train.csv\n  test: test.csv\n", "  path: table\n"))

    return spoil


def saved_outside(folder: Path, place: Place) -> None:
    """A saved data set whose tables are elsewhere."""
    (folder / "state.json").write_text(
        json.dumps({"_data_files": [{"filename": "../train.csv"}], "_fingerprint": "x", "_format_type": None})
    )
    (folder / "dataset_info.json").write_text("{}")


def train(name: str, content: str | bytes) -> Spoil:
    """Another file with the training data."""

    def spoil(place: Place) -> None:
        path = place.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        _write(place.yaml, place.yaml.read_text().replace("train: train.csv", f"train: {name}"))

    return spoil


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGES = "a0: &a0 {k: v}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12))
CHECK, SEARCH, ANALYZE = ("check", "news.yaml"), ("search", "news.yaml"), ("analyze", "news.yaml")
SHOW, SELECT, EXPORT = ("show", "run"), ("select", "run"), ("export", "run", "original", "--to", "small")
AUTO_CLASSES = {"AutoConfig": "evil.Evil", "AutoModelForSequenceClassification": "evil.Evil"}
AUTO_MAP = {"model_type": "evil", "auto_map": AUTO_CLASSES}

YAML = {
    "an object": Hostile(yaml("a: !!python/object/apply:os.system ['touch code-was-run']"), CHECK, ("not valid YAML",)),
    "a name": Hostile(yaml("a: !!python/name:os.system"), CHECK, ("could not determine a constructor",)),
    "a module": Hostile(yaml("!!python/module:evil"), SEARCH, ("could not determine a constructor",)),
    "a billion laughs": Hostile(yaml(LAUGHS), CHECK, ("more than 10,000 keys",)),
    "a billion merges": Hostile(yaml(MERGES), CHECK, ("more than 10,000 keys",)),
    "nested lists": Hostile(yaml(DEEP), CHECK, ("more than 10,000 keys",)),
    "nested mappings": Hostile(yaml("{a: " * 5_000), CHECK, ("nested too deeply",)),
    "nested lines": Hostile(yaml("- " * 5_000), CHECK, ("nested too deeply",)),
    "10 GB": Hostile(lambda place: huge(place.yaml), CHECK, ("10,240 MB, and may have at most 0.25 MB",)),
    "a pipe": Hostile(lambda place: pipe(place.yaml), SEARCH, ("news.yaml: can't be read: it is no ordinary file",)),
    "an endless number": Hostile(setting(f"search: {{trials: 0x{'f' * 9000}}}"), CHECK, ("more than 18 digits",)),
    "a number in base 60": Hostile(setting(f"search: {{seed: {':'.join(['59'] * 9000)}}}"), CHECK, ("18 digits",)),
    "an infinite number": Hostile(setting("fine_tune: {learning_rate: 1e999}"), CHECK, ("must be a finite number",)),
    "a budget that is none": Hostile(setting("budgets: {latency: .nan}"), CHECK, ("budgets.latency",)),
    "a key twice": Hostile(setting("output: elsewhere"), CHECK, ("output: stands twice",)),
    "a null byte": Hostile(yaml("model: \0"), CHECK, ("character 0x0 is not allowed",)),
    "a terminal's commands": Hostile(setting('"\\e[2J\\e]0;owned\\a": 1'), CHECK, ("unknown key",)),
    "a direction of writing": Hostile(setting('"\\u202Egnp.live": 1'), CHECK, ("unknown key",)),
    "a target's path": Hostile(setting("hardware: {name: ../../target}"), SEARCH, ("hardware.name", "letters, digits")),
    "a target's root": Hostile(setting("hardware: {name: /etc/target}"), SEARCH, ("hardware.name", "letters, digits")),
    "trust in a model": Hostile(
        lambda place: _write(place.yaml, place.yaml.read_text().replace("bert,", "bert, trust_remote_code: true,")),
        CHECK, ("code that comes with a model is never run",),
    ),
    "a metric that is code": Hostile(metric_script, CHECK, ("evil.py", "is code", "trust_remote_code: true")),
    "a search with such a metric": Hostile(metric_script, SEARCH, ("evil.py", "is code", "trust_remote_code: true")),
    "a metric's folder": Hostile(metric_folder, CHECK, ("'evil'", "is code", "trust_remote_code: true")),
    "a sampler that is none": Hostile(setting("search: {sampler: __builtins__}"), CHECK, ("must be one of tpe",)),
    "another folder's files": Hostile(
        lambda place: _write(place.yaml, place.yaml.read_text().replace(str(place.output), ".")),
        SEARCH, ("is not empty and holds no run",),
    ),
}  # fmt: skip
PROFILES = {
    "a pickle": Hostile(profile(pickled), CHECK, ("board.json", "a hardware profile must be JSON")),
    "nested lists": Hostile(profile(lambda path, _: _write(path, DEEP)), CHECK, ("nested too deeply",)),
    "10 GB": Hostile(profile(lambda path, _: huge(path)), CHECK, ("10,240 MB, and may have at most 512 MB",)),
    "a pipe": Hostile(profile(lambda path, _: pipe(path)), CHECK, ("it is no ordinary file",)),
    "not a number": Hostile(profile_text('"threads": 1', '"threads": NaN'), CHECK, ("target.threads: must be",)),
    "an endless number": Hostile(profile_text('"threads": 1', f'"threads": {"9" * 9000}'), CHECK, ("must be JSON",)),
    "an infinite number": Hostile(profile_text('"threads": 1', '"threads": 1e999'), CHECK, ("threads: must be",)),
    "a key twice": Hostile(profile_text('"version": 3', '"version": 3, "version": 3'), CHECK, ("stands twice",)),
    "a constructor's arguments": Hostile(
        profile_text('"threads": 1', '"__class__": "os.system", "threads": 1'), CHECK, ("unknown key",)
    ),
}  # fmt: skip
MODELS = {
    "code of its own": Hostile(model(config_of(AUTO_MAP)), CHECK, ("comes with code of its own, which is never run",)),
    "a search with such code": Hostile(model(config_of(AUTO_MAP)), SEARCH, ("code of its own, which is never run",)),
    "a kernel of the hub": Hostile(
        model(config_of({"attn_implementation": "evil/attention"})), CHECK, ("evil/attention", "never run")
    ),
    "such a kernel, hidden": Hostile(
        model(config_of({"text_config": {"_attn_implementation": {"": "evil/attention:run"}}})), CHECK, ("never run",)
    ),
    "a pickle as weights": Hostile(
        model(lambda folder, place: pickled(folder / "model.safetensors", place)), CHECK, ("can't be loaded",)
    ),
    "a pickle as older weights": Hostile(
        model(lambda folder, place: _older_weights(folder, place)), CHECK, ("can't be loaded",)
    ),
    "weights of 10 GB": Hostile(
        model(lambda folder, _: huge(folder / "model.safetensors")), CHECK, ("can't be loaded",)
    ),
    "weights that never end": Hostile(
        model(lambda folder, _: pipe(folder / "model.safetensors")), CHECK, ("neither a file nor a folder",)
    ),
    "a nested configuration": Hostile(in_model("config.json", DEEP), CHECK, ("nested too deeply",)),
    "a configuration of 10 GB": Hostile(
        model(lambda folder, _: huge(folder / "config.json")), CHECK, ("config.json: has more than 512 MB",)
    ),
    "an endless width": Hostile(model(config_of({"hidden_size": 10**15})), CHECK, ("can't be loaded",)),
    "a width below zero": Hostile(model(config_of({"hidden_size": -16})), CHECK, ("can't be loaded",)),
    "a plan beyond its modules": Hostile(
        model(config_of({"quantization_config": {"quant_method": "greenfront", "plan": {"../../x": {"rank": 4}}}})),
        CHECK, ("model.path", "../../x"),
    ),
    "a plan of endless rank": Hostile(
        model(config_of({"quantization_config": {
            "quant_method": "greenfront", "plan": {"bert.encoder.layer.0.output.dense": {"rank": 10**15}},
        }})),
        CHECK, ("model.path", "rank"),
    ),
    "a nested tokenizer": Hostile(in_model("tokenizer.json", DEEP), CHECK, ("model.path",)),
    "a tokenizer of 10 GB": Hostile(
        model(lambda folder, _: huge(folder / "tokenizer.json")), CHECK, ("tokenizer.json: has more than 512 MB",)
    ),
    "a pickle as tokenizer": Hostile(
        model(lambda folder, place: pickled(folder / "tokenizer.json", place)), CHECK, ("model.path",)
    ),
    "a template's path": Hostile(
        in_model("tokenizer_config.json", json.dumps({
            "tokenizer_class": "TokenizersBackend", "pad_token": "[PAD]", "unk_token": "[UNK]",
            "chat_template": [{"name": "../../../outside", "template": "x"}, {"name": "default", "template": "x"}],
        })),
        ANALYZE, ("can't be saved", "../../../outside"),
    ),
}  # fmt: skip
DATA = {
    "a pickle": Hostile(
        train("table.parquet", pickle.dumps([1])), CHECK, ("table.parquet: can't be read",)
    ),
    "nested lists": Hostile(train("table.json", DEEP), CHECK, ("table.json: can't be read",)),
    "a script": Hostile(
        data_folder(lambda folder, place: _write(folder / "table.py", code(place))),
        CHECK, ("data.path", "can't be read"),
    ),
    "tables elsewhere": Hostile(data_folder(saved_outside), CHECK, ("data.path", "can't be read")),
    "a pipe": Hostile(lambda place: pipe(place.folder / "train.csv"), CHECK, ("data.train",)),
}  # fmt: skip
RUNS = {
    "a log elsewhere": Hostile(link("log.txt", "test.csv"), SEARCH, ("log.txt is a link that leads out",)),
    "a journal elsewhere": Hostile(link("study.journal", "test.csv"), SEARCH, ("study.journal is a link",)),
    "candidates elsewhere": Hostile(link("candidates", "bert"), ANALYZE, ("candidates is a link that leads out",)),
    "a front elsewhere": Hostile(link("front.json", "test.csv"), SHOW, ("front.json is a link that leads out",)),
    "secrets in a candidate": Hostile(
        original(lambda folder, place: (folder / "key").symlink_to(place.folder / "test.csv")),
        EXPORT, ("key is a link that leads out",),
    ),
    "a front that is a pipe": Hostile(run(lambda found, _: pipe(found.front)), SHOW, ("neither a file nor a folder",)),
    "a front of 10 GB": Hostile(run(lambda found, _: huge(found.front)), SHOW, ("may have at most 512 MB",)),
    "a front that is a pickle": Hostile(run(lambda found, place: pickled(found.front, place)), SHOW, ("front.json",)),
    "a nested front": Hostile(front_text(DEEP), SELECT, ("nested too deeply",)),
    "a front of nested keys": Hostile(front_text('{"a":' * 20_000), SHOW, ("nested too deeply",)),
    "a front of one number": Hostile(front_text("9" * 9000), SHOW, ("must be JSON",)),
    "a front of an endless version": Hostile(front(lambda raw: raw.update(version=10**400)), SHOW, ("version",)),
    "a score that is no number": Hostile(
        front(lambda raw: raw["original"]["score"].update(validation=float("nan"))), SHOW, ("NaN is no number of JSON",)
    ),
    "an infinite cost": Hostile(
        front(lambda raw: raw["original"]["cost"]["laptop"].update(size_mb=float("inf"))), SHOW, ("Infinity is no",)
    ),
    "an id that is a path": Hostile(
        front(lambda raw: raw["candidates"][0].update(id="../../bert")), EXPORT, ("'../../bert'", "its id must be that")
    ),
    "targets that are paths": Hostile(
        front(lambda raw: raw.update(targets=["../../laptop"])), SELECT, ("fronts: must hold exactly ../../laptop",)
    ),
    "a plan of objects": Hostile(
        front(lambda raw: raw["candidates"][0].update(plan={"a": {"rank": {"__reduce__": "x"}}})),
        SHOW, ("candidates[0]",),
    ),
    "a candidate's path": Hostile(
        run(lambda found, _: found.front.unlink()), ("export", "run", "../../bert", "--to", "small"),
        ("must be eight hexadecimal digits", "'../../bert'"),
    ),
    "a configuration's object": Hostile(
        run(lambda found, _: _write(found.config, "a: !!python/object/apply:os.system ['touch code-was-run']")),
        EXPORT, ("config.yaml: can't be read",),
    ),
    "a configuration's metric": Hostile(run(run_with_metric_script), EXPORT, ("evil.py", "--trust-remote-code")),
    "an original that is a function": Hostile(
        original(config_of({"architectures": ["pipeline"]})), EXPORT, ("must name a model class", "'pipeline'")
    ),
    "an original of any class": Hostile(
        original(config_of({"architectures": ["AutoModel"], **AUTO_MAP})), EXPORT, ("must name a model class",)
    ),
    "an original's kernel": Hostile(
        original(config_of({"_attn_implementation": "evil/attention"})), EXPORT, ("evil/attention", "never run")
    ),
    "an original with code": Hostile(original(config_of(AUTO_MAP)), EXPORT, ("never run",)),
    "an original's pickle": Hostile(
        original(lambda folder, place: pickled(folder / "model.safetensors", place)),
        EXPORT, ("model.safetensors: can't be read as weights",),
    ),
    "an original's older weights": Hostile(
        original(lambda folder, place: _older_weights(folder, place)), EXPORT, ("there is no model.safetensors",)
    ),
    "an original of endless rank": Hostile(
        original(config_of({"quantization_config": {
            "quant_method": "greenfront", "plan": {"bert.encoder.layer.0.output.dense": {"rank": 10**15}},
        }})),
        EXPORT, ("rank",),
    ),
}  # fmt: skip
HOSTILE = {
    f"{group}: {name}": case
    for group, cases in {
        "YAML": YAML, "profile": PROFILES, "model": MODELS, "data": DATA, "run": RUNS,
    }.items()
    for name, case in cases.items()
}  # fmt: skip


def _older_weights(folder: Path, place: Place) -> None:
    (folder / "model.safetensors").unlink()
    pickled(folder / "pytorch_model.bin", place)
