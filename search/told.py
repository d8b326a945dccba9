"""What a run folder tells of a run beside its front, for the report."""

from collections.abc import Mapping, Sequence

from greenfront.config import RunConfig
from greenfront.hardware_profiles import HardwareProfile
from greenfront.json_source import read_json
from greenfront.search.analysis import kept_analysis
from greenfront.search.history import History
from greenfront.search.prepare import kept_losses
from greenfront.search.progress import Reporter
from greenfront.search.report import Known
from greenfront.search.run_folder import RunFolder
from greenfront.search.spent import spent
from greenfront.search.verify import measuring_warnings


def run_info(run: RunFolder) -> dict[str, object]:
    """The folder, the environment as far as the run has come to it, and the configuration."""
    environment = {"environment": read_json(run.environment)} if run.environment.exists() else {}
    return {"run": str(run.path), **environment, "configuration": run.config.read_text(encoding="utf-8")}


def known_of(
    run: RunFolder,
    config: RunConfig,
    profiles: Mapping[str, HardwareProfile],
    slower: Sequence[str],
    history: History | None,
    report: Reporter,
) -> Known:
    """All of it; what can't be read of it is said to `report` or left out."""
    return Known(
        run_info=run_info(run), profiles=profiles, warnings=measuring_warnings(run, config), slower=slower,
        analysis=kept_analysis(run, report), history=history, losses=kept_losses(run),
        spent=spent(run, config, profiles),
    )  # fmt: skip
