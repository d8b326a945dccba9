"""The costs by name: in the YAML and on the command line, as fields of a Cost, and what budgets are written in."""

from typing import Literal

from greenfront.units import Dimension

CostName = Literal[
    "latency_ms", "latency_p90_ms", "large_batch_latency_ms", "throughput_per_s", "size_mb", "peak_memory_mb",
    "parameters", "flops", "energy_j", "co2_g_per_million", "money_per_million",
]  # fmt: skip
Objective = Literal[
    "accuracy", "latency", "latency_p90", "large_batch_latency", "throughput", "size", "memory",
    "parameters", "flops", "energy", "co2", "money",
]  # fmt: skip
COST_OF: dict[str, CostName] = {
    "latency": "latency_ms", "latency_p90": "latency_p90_ms", "large_batch_latency": "large_batch_latency_ms",
    "throughput": "throughput_per_s", "size": "size_mb", "memory": "peak_memory_mb",
    "parameters": "parameters", "flops": "flops",
    "energy": "energy_j", "co2": "co2_g_per_million", "money": "money_per_million",
}  # fmt: skip
"""The name in YAML and on the command line -> the name of the cost, with its unit."""
DIMENSION_OF: dict[str, Dimension] = {
    "latency": "time", "latency_p90": "time", "large_batch_latency": "time", "throughput": "rate",
    "size": "bytes", "memory": "bytes", "parameters": "count", "flops": "count",
    "energy": "energy", "co2": "mass", "money": "count",
}  # fmt: skip
"""The name in YAML and on the command line -> what its budgets are written in (`parse_bound`)."""
HIGHER_IS_BETTER = frozenset({"throughput"})
"""The names whose budgets are lower bounds."""
