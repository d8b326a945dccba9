"""Significance analysis of a run's original: kept in the run folder, for the report and the search's seeds."""

from typing import cast, get_args

from transformers import PreTrainedModel

from greenfront.config import COST_OF, RunConfig
from greenfront.durable import write_atomic
from greenfront.errors import ConfigError, RunError
from greenfront.evaluators import Analysis, Focus, TaskData, analyze, fitting
from greenfront.search.analysis_seeds import takes_elements_away
from greenfront.search.claim import claimed
from greenfront.search.prepare import BATCH, BATCH_NUMBERS, prepare_original
from greenfront.search.progress import Reporter
from greenfront.search.run_folder import RunFolder
from greenfront.search.significance_figure import analysis_page
from greenfront.search.some_examples import some_batches
from greenfront.spaces import Space


def analyze_run(config: RunConfig, focus: Focus, report: Reporter) -> Analysis:
    """Analyse the original of a run, fine-tuning it first where its head is untrained; writes analysis.json and .html.

    Raises:
        ConfigError, DataError, RunError: what can't be used; another process is working in the folder.
    """
    with claimed(config, RunFolder.create) as run:
        data, _, model = prepare_original(config, run, report)
        return prepare_analysis(config, run, data, model, report, focus)


def as_focus(text: str) -> Focus:
    """A focus by its name; raises ConfigError."""
    for focus in get_args(Focus):
        if text == focus:
            return cast("Focus", focus)
    raise ConfigError(f"--focus: must be one of {', '.join(get_args(Focus))}, but got {text!r}")


def prepare_analysis(
    config: RunConfig, run: RunFolder, data: TaskData, model: PreTrainedModel, report: Reporter, focus: Focus
) -> Analysis:
    """Walk over the original's elements on calibration data; kept in the run folder, a page beside it."""
    report.stage(f"Significance of blocks, heads and neurons for {focus}")
    batches = some_batches(
        data.calibration, seed=config.search.seed, most=fitting(model, data.calibration, BATCH, BATCH_NUMBERS // 2)
    )
    found = analyze(model, batches, focus=focus, progress=report.advance)
    write_atomic(run.analysis, found.to_json())
    write_atomic(run.analysis_page, analysis_page(found, f"Greenfront: {run.path}"))
    return found


def kept_analysis(run: RunFolder, report: Reporter) -> Analysis | None:
    """The analysis in the run folder, where there is one that can be read."""
    if not run.analysis.exists():
        return None
    try:
        return Analysis.from_json(run.analysis.read_text(encoding="utf-8"))
    except (RunError, UnicodeDecodeError) as error:
        report.note(f"{run.analysis} is left aside: {error}; `greenfront analyze` makes another")
        return None


def analysis_for(
    config: RunConfig, run: RunFolder, space: Space, data: TaskData, model: PreTrainedModel, report: Reporter
) -> Analysis | None:
    """The kept analysis; a new one where the space can take elements away; None where there is no use for one."""
    found = kept_analysis(run, report)
    if found is not None or not takes_elements_away(space):
        return found
    cost = next((name for name in config.objectives if name in COST_OF), "latency")
    return prepare_analysis(config, run, data, model, report, "size" if cost in ("size", "parameters") else "speed")
