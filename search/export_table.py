"""What an export came to, as a table in the terminal: the candidate, the folder and the ONNX file side by side."""

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from greenfront.search import wording
from greenfront.search.export import Exported, Form


def exported_table(done: Exported) -> Group:
    """A row each for the candidate as it was searched and for what was written of it; notes below."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.title = Text(f"{done.folder}: loaded again in a clean process", style="bold", justify="left")
    score = f"{done.metric} on {done.examples} test examples" if done.examples else done.metric
    table.add_column("")
    for name in ("MB", "logits differ by", score, "latency of the original's"):
        table.add_column(name, justify="right", max_width=18)
    table.add_row("as searched", *_cells(done.candidate, done.metric, "-"))
    table.add_row("folder", *_cells(done.saved, done.metric))
    if done.onnx is not None:
        table.add_row("model.onnx", *_cells(done.onnx, done.metric))
    return Group(table, *(Text(note) for note in done.notes))


def _cells(form: Form, metric: str, difference: str = "") -> list[str]:
    latency = "-" if form.latency_share is None else wording.share(form.latency_share)
    shown = difference or f"{form.difference:.1e}"
    return [f"{form.size_mb:.1f}", shown, wording.score(form.score, metric), latency]
