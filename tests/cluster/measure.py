"""Steps a second with one, two and more local nodes, in turns; run it as a module.

    python -m tests.cluster.measure [NODES ...]

The model is simulated with a latency, and an actor has two windows in flight, so what is measured
is whether nodes add up, not this machine's processors. Time runs over the last three quarters of
the steps, when all actors have been hired.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import reason
from agents.status import RunStatus
from cluster.connection import ray_module

MODEL = "sim:error=0.05,latency_ms=100,seed=1"
DISKS, WINDOW, ROUNDS = 12, 32, 2


async def rate(folder: Path, engine_cluster: str) -> float:
    """Steps a second of one run."""
    status, marks = RunStatus(), list[tuple[float, int]]()

    async def watch() -> None:
        while True:
            if status.steps >= (1 << DISKS) // 4:
                marks.append((time.perf_counter(), status.steps))
            await asyncio.sleep(0.02)

    watching = asyncio.ensure_future(watch())
    options: dict[str, Any] = {"model": [MODEL], "speculate": "draft", "window": WINDOW}
    task = {"name": "hanoi", "disks": DISKS}
    await reason.solve(task, folder, status=status, engine_cluster=engine_cluster, **options)
    watching.cancel()
    total = (1 << DISKS) - 1
    end = next(now for now, steps in marks if steps == total)
    return (total - marks[0][1]) / (end - marks[0][0])


def measure(nodes: int) -> float:
    """Of one run on a new cluster of so many nodes of one CPU; 0 is a run without a cluster."""
    with tempfile.TemporaryDirectory() as folder:
        if not nodes:
            return asyncio.run(rate(Path(folder) / "run", "none"))
        ray = ray_module()
        from ray.cluster_utils import Cluster

        node = {"num_cpus": 1, "object_store_memory": 80_000_000}
        cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        for _ in range(nodes - 1):
            cluster.add_node(**node)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="CRITICAL")
        try:
            return asyncio.run(rate(Path(folder) / "run", "ray"))
        finally:
            ray.shutdown()
            cluster.shutdown()


if __name__ == "__main__":
    counts = [int(word) for word in sys.argv[1:]] or [0, 1, 2]
    rates: dict[int, list[float]] = {count: [] for count in counts}
    for _ in range(ROUNDS):
        for count in counts:
            rates[count].append(measure(count))
    for count in counts:
        told = " ".join(f"{one:.0f}" for one in rates[count])
        print(f"{count} nodes: {statistics.median(rates[count]):.0f} steps a second ({told})")
