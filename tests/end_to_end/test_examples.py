"""The files of examples/: all of them can be read, and long texts are searched in a small form.

Short texts, images, words and running text are in their own tests (`test_vocabulary.py`, `test_images.py`,
`test_more_tasks.py`), by the same files.
"""

import json
from pathlib import Path

import pytest
from fetch import DATA_SETS
from untrained import MODELS

from greenfront.config import load_config
from tests.end_to_end.small_form import EXAMPLES, example, small_form
from tests.end_to_end.tiny_task import build_task, inside
from tests.measuring import few_processes

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Ray's own children, at shutdown
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_read_and_what_it_reads_can_be_made(name: str) -> None:
    load_config(EXAMPLES / f"{name}.yaml", locate=False)
    raw = example(name)
    made = {f"data/{data_set.folder}" for data_set in DATA_SETS.values()}
    made |= {f"data/models/small-{model}" for model in MODELS}
    data = raw["data"]
    read = [data["path"]] if "path" in data else [str(Path(data[split]).parent) for split in ("train", "test")]
    assert {raw["model"]["path"], *read} <= made
    assert f"| `{name}.yaml` |" in (EXAMPLES / "README.md").read_text(encoding="utf-8")


def test_long_texts_are_searched(tmp_path: Path) -> None:
    build_task(tmp_path, width=64)
    small_form(
        "spam-long", tmp_path / "run.yaml", model={"path": "encoder"},
        data={"train": "train.csv", "test": "test.csv", "max_length": 48},
        space={"low_rank": {"ranks": [24]}, "embeddings": {"ranks": [16]}, "linformer": {"lengths": [16]}},
    )  # fmt: skip
    assert set(load_config(tmp_path / "run.yaml").space.methods or ()) == {"low_rank", "embeddings", "linformer"}
    with few_processes():
        inside(tmp_path, "search", "run.yaml")
    front = json.loads((tmp_path / "run" / "front.json").read_text())
    (verified,) = (candidate for candidate in front["candidates"] if candidate["verified"])
    assert len(front["candidates"]) == 2
    assert verified["cost"]["here"]["size_mb"] < front["original"]["cost"]["here"]["size_mb"]
