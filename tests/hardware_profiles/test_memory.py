from pathlib import Path

import psutil
import pytest
from transformers import BertConfig, BertForSequenceClassification

from greenfront.hardware_profiles import Target
from greenfront.hardware_profiles.jobs import Job
from greenfront.hardware_profiles.memory_job import memory_job
from greenfront.hardware_profiles.resident import release_freed_memory
from greenfront.hardware_profiles.torch_runtime import TorchRuntime
from greenfront.spaces import save_checkpoint


def test_a_mapped_table_counts_in_full_though_an_input_reads_few_of_its_rows(tmp_path: Path) -> None:
    config = BertConfig(
        hidden_size=64, num_hidden_layers=1, num_attention_heads=4, intermediate_size=64, vocab_size=300_000
    )
    save_checkpoint(BertForSequenceClassification(config), tmp_path / "original")
    release_freed_memory()
    before_mb = psutil.Process().memory_info().rss / 1e6
    target = Target("here", "cpu", "torch", 1, 1, 16)
    job = Job("memory", target, {"original": str(tmp_path / "original")}, 0, 0.0)
    answer = memory_job(job, TorchRuntime(target), lambda _done, _total: None)
    if answer.source != "VmHWM":
        pytest.skip("the kernel does not let a process reset its peak")
    table_mb = 300_000 * 64 * 4 / 1e6
    assert answer.peak_memory_mb - before_mb > 0.8 * table_mb
