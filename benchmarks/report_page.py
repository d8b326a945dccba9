"""How large the report of a long search is, and how soon it is there in a browser.

`python benchmarks/report_page.py [TRIALS]` (2000 by default) writes a report of that many trials of a 24-layer model
with all its parts, and opens it: from the navigation until the plot is drawn and the page idle, five times. Needs
Chromium and `pip install -e '.[browser]'`. Run it from the repository's root.
"""

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import sync_playwright

from greenfront.search.report import write_report
from tests.browser.pages import front_with_everything

DRAWN = "() => document.querySelectorAll('#points path').length > 0 && document.querySelector('#named') !== null"


def main(trials: int) -> None:
    """Write, weigh, open."""
    front, extras = front_with_everything(count=trials, verified=8, layers=24)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        begun = time.perf_counter()
        write_report(front, path, run_info={"run": folder}, **extras)
        seconds = time.perf_counter() - begun
        print(f"{len(front.candidates)} trials: {path.stat().st_size / 1e6:.2f} MB, written in {seconds:.1f} s")
        found = []
        with sync_playwright() as driver:
            launched = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for _ in range(5):
                page = launched.new_context().new_page()
                begun = time.perf_counter()
                page.goto(path.as_uri())
                page.wait_for_function(DRAWN)
                found.append(time.perf_counter() - begun)
                page.context.close()
            launched.close()
        print(f"opened in {statistics.median(found):.2f} s (median of 5, worst {max(found):.2f} s)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
