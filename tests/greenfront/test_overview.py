"""What `greenfront check` prints: every kind of site in its own words, and the stages that take time."""

from io import StringIO

import pytest
from rich.console import Console

from greenfront.config import parse_config
from greenfront.overview import print_overview
from greenfront.search import Overview
from greenfront.spaces import Choice, Refusal, Site, Space

SITES = (
    (Site("layer.0", "layer", (590_000, 1_180_000), "layer"), ({"skip": "attention"}, {"skip": "feed_forward"})),
    (Site("layer.0.attention", "attention", (12, 32), "attention"), tuple({"heads": n} for n in range(1, 12))),
    (Site("layer.0.dense", "linear", (384, 1536), "linear"), ({"rank": 8}, {"rank": 16})),
)


@pytest.fixture
def shown() -> str:
    space = Space(
        tuple(Choice(site, "method", settings) for site, settings in SITES),
        (Refusal("", "linformer", "it is [causal]"),),
    )
    config = parse_config(
        {
            "model": {"path": "owner/name", "task": "text-classification"},
            "data": {"path": "owner/news", "max_length": 32},
            "hardware": {"name": "here", "runtime": "torch", "threads": 2},
        }
    )
    seconds = {"fine-tuning the original": 0.0, "measuring": 85.0, "search": 300.0}
    found = Overview("Bert", 22_700_000, False, {"train": 1234, "test": 5}, ("[a]", "b"), space, seconds)
    written = StringIO()
    print_overview(found, config, Console(file=written, width=200))
    return written.getvalue()


@pytest.mark.parametrize(
    "words",
    [
        "Bert, 22.7 M parameters\n",
        "1,234 train, 5 test; 2 labels: [a], b",
        "here: cpu, torch, 2 threads, batch 1 x 32 tokens",
        "blocks    1      layer      1.8 M parameters  skip attention, feed_forward",
        "heads     1      attention  12 heads x 32     heads 1 to 11 (11)",
        "low_rank  1      linear     384 x 1536        rank 8, 16",
        "linformer leaves the model alone: it is [causal]",
        "3 choices at 3 sites, 1.1e+02 plans",
        "Time     about 6 min, if nothing else runs here: measuring 85 s, search 5 min\n",
    ],
)
def test_it_says(words: str, shown: str) -> None:
    assert words in shown
