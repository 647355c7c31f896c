"""``make bench``: what the hot loop costs, as ratios measured in one run.

Absolute times depend on the machine and its neighbours; each row therefore compares the product
with a baseline run a moment before on the same machine. The table goes to the terminal, the figures
with a description of the machine to ``docs/benchmarks/latest.json``. Simulated models are named as
such; the embedded rows use the real micro model.
"""

import asyncio
import json
import os
import platform
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

import reason
from engines.base import Request
from engines.embedded import EmbeddedModel
from engines.options import EngineOptions
from engines.simulated import SimulatedModel
from evals.million import million
from evals.transport import bare_rate, engine_rate, instant_server
from reason.summary import Summary
from tasks.hanoi.examples import example, path_situation
from tasks.hanoi.task import BUNDLED, Hanoi

OUT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks" / "latest.json"
ERROR = 0.002
LATENCY_MS = 20
SEQUENTIAL_US = 525  # a step of another implementation, sequential and in memory, measured once
SAMPLING = {"first_temperature": 0.1, "temperature": 0.1}  # one request of three votes a step


class Row(NamedTuple):
    """One comparison: ``value`` over ``baseline``, both in ``unit``."""

    name: str
    value: float
    baseline: float
    unit: str
    baseline_name: str

    @property
    def ratio(self) -> float:
        """Value over baseline."""
        return self.value / self.baseline


async def solve(disks: int, model: str, **options: Any) -> Summary:
    """A run of the product in a directory of its own."""
    with tempfile.TemporaryDirectory() as folder:
        task = {"name": "hanoi", "disks": disks}
        summary = await reason.solve(task, Path(folder) / "run", model=[model], **options)
    if summary.status != "solved":
        raise RuntimeError(f"a benchmark run ended {summary.status}: {summary.message}")
    return summary


async def plain_loop(disks: int) -> float:
    """Seconds a step of a plain voting loop: in memory, nothing durable, one call a vote."""
    task, model = Hanoi(disks), SimulatedModel("sim", Hanoi(disks).rehearse, error=ERROR)
    state, steps = task.initial(), task.steps()
    start = time.perf_counter()
    for _ in range(steps):
        votes: Counter[Any] = Counter()
        prompt, index = task.prompt(state), 0
        while len(votes) == 0 or _margin(votes) < 3:
            calls = [model.sample(Request(prompt, 99, (0.1,), index + at)) for at in range(3)]
            index += 3
            for samples in await asyncio.gather(*calls):
                votes[task.parse(samples[0].text)] += 1
        state = task.advance(state, votes.most_common(1)[0][0])
    return (time.perf_counter() - start) / steps


def _margin(votes: Counter[Any]) -> int:
    (_, first), *rest = votes.most_common(2)
    return first - (rest[0][1] if rest else 0)


async def durable_loop() -> list[Row]:
    """The durable loop against a plain one in memory, with an instant model."""
    plain = await plain_loop(12) * 1e6
    rows = []
    for mode in ("none", "draft"):
        summary = await solve(12, f"sim:error={ERROR}", speculate=mode)
        each = summary.seconds / summary.steps * 1e6
        name = f"durable step, speculate {mode}"
        rows.append(Row(name, each, plain, "us", "plain, in memory"))
        rows.append(Row(name, each, SEQUENTIAL_US, "us", "others, in memory"))
    return rows


async def latency() -> list[Row]:
    """Time of 10 disks on a model of 20 ms, against steps times 20 ms."""
    chain = 1023 * LATENCY_MS / 1000
    rows = []
    for mode in ("none", "self", "draft"):
        model = f"sim:error={ERROR},latency_ms={LATENCY_MS}"
        summary = await solve(10, model, speculate=mode, window=64)
        name = f"20 ms model, speculate {mode}"
        rows.append(Row(name, summary.seconds, chain, "s", "steps x 20 ms"))
    return rows


async def _step_us(disks: int, model: str, runs: int) -> float:
    """Microseconds a step over several drafted runs."""
    each = [await solve(disks, model, speculate="draft") for _ in range(runs)]
    return sum(run.seconds for run in each) / sum(run.steps for run in each) * 1e6


async def long_runs() -> list[Row]:
    """Time per step from 2**10 to 2**20 steps, and what the longest run took."""
    model = f"sim:error={ERROR}"
    near = await _step_us(10, model, runs=16)  # a run of 0.1 s says little by itself
    between = await _step_us(14, model, runs=2)
    longest = await million(model, speculate="draft")
    far = longest.working / longest.steps * 1e6
    return [
        Row("step of 14 disks", between, near, "us", "step of 10 disks"),
        Row("step of 20 disks", far, near, "us", "step of 10 disks"),
        Row("20 disks, verified", longest.seconds, 240, "s", "promised at most"),
        Row("resume at step 1,000,000", longest.resume, 1, "s", "promised at most"),
        Row("peak memory, 20 disks", longest.peak_mb, 300, "MB", "promised at most"),
        Row(
            "peak memory, 20 disks", longest.peak_mb, longest.early_mb, "MB", "first 200,000 steps"
        ),
        Row("journal, 20 disks", longest.step_bytes, 300, "bytes a step", "promised at most"),
    ]


async def embedded() -> list[Row]:
    """Votes a second of the product on the micro model against a bare load loop."""
    bare = await asyncio.to_thread(_bare_engine, 12, 400)
    rows = []
    for mode, window in (("none", 1), ("draft", 32)):
        summary = await solve(10, "embedded", speculate=mode, window=window, **SAMPLING)
        rate = summary.votes / summary.seconds
        name = f"embedded votes, speculate {mode}"
        rows.append(Row(name, rate, bare, "votes/s", "bare llama.cpp loop"))
    return rows


def _bare_engine(callers: int, prompts: int) -> float:
    """Answers a second of llama.cpp alone: blocking calls of three samples from a few threads."""
    model = EmbeddedModel("embedded", BUNDLED, EngineOptions())
    rng = Random(1)
    asked = [example(path_situation(rng, 10)).prompt for _ in range(prompts)]

    def call(prompt: str) -> None:
        model._call(  # the engine's own blocking call, without its pool and parsing
            {"prompt": prompt, "max_tokens": 99, "temperature": 0.1, "n": 3, "cache_prompt": False}
        )

    start = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(call, asked))
    seconds = time.perf_counter() - start
    asyncio.run(model.close())
    return 3 * prompts / seconds


async def transport() -> list[Row]:
    """Requests a second of both transports, against bare aiohttp and against each other."""
    with instant_server() as url:
        sdk = await engine_rate(url, 800, lean=False)
        pairs = [
            (await bare_rate(url, 4000), await engine_rate(url, 4000, lean=True)) for _ in range(5)
        ]
    # Pairs run back to back, and the middle one by ratio is kept: neighbours make single runs lie.
    bare, lean = sorted(pairs, key=lambda pair: pair[1] / pair[0])[2]
    return [
        Row("lean transport", lean, bare, "requests/s", "bare aiohttp"),
        Row("lean transport", lean, sdk, "requests/s", "openai client"),
    ]


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cpus": os.cpu_count(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "system": platform.system(),
        "version": reason.__version__,
        "date": datetime.now(UTC).date().isoformat(),
    }


async def measure() -> list[Row]:
    """All rows, one after another."""
    parts = (long_runs, durable_loop, latency, transport, embedded)
    return [row for part in parts for row in await part()]


def main() -> None:
    """Measure, print, and keep the figures."""
    rows = asyncio.run(measure())
    table = Table("measured", "value", "baseline", "", "ratio", box=None)
    for row in rows:
        value, base = (f"{number:,.2f} {row.unit}" for number in (row.value, row.baseline))
        table.add_row(row.name, value, base, row.baseline_name, f"{row.ratio:.3f}")
    Console().print(table)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    data = {"machine": machine(), "rows": [{**row._asdict(), "ratio": row.ratio} for row in rows]}
    OUT.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    Console().print(
        f"kept in {OUT.relative_to(Path.cwd()) if OUT.is_relative_to(Path.cwd()) else OUT}"
    )


if __name__ == "__main__":
    main()
