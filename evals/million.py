"""A million steps with a simulated model, stopped after the millionth and gone on with.

One run of 20 disks gives the time, memory and journal of a million durable, verified steps, and
what it costs to go on with a run that is a million steps long.
"""

import asyncio
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import reason
from agents.status import RunStatus, StopSwitch
from reason.summary import Summary

DISKS = 20
STOP = 1_000_000  # steps after which the run is interrupted
EARLY = 200_000  # steps after which memory is looked at first


class Million(NamedTuple):
    """What the run took.

    Attributes:
        seconds: of the whole, both sessions and the verification included.
        working: of the two sessions as the run counts them.
        steps: committed and verified.
        resume: seconds from the call that goes on with the run to its next committed step.
        early_mb, peak_mb: peak memory of the process after the early steps, and at the end.
        step_bytes: size of the journal on disk, by step.
    """

    seconds: float
    working: float
    steps: int
    resume: float
    early_mb: float
    peak_mb: float
    step_bytes: float


async def million(model: str, **options: Any) -> Million:
    """Do the run. Raises RuntimeError when it does not end solved."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        start = perf_counter()
        early = await _until_stopped(run, model, options)
        resumed = perf_counter()
        summary, back = await _go_on(run)
        size = sum(path.stat().st_size for path in run.glob("journal.sqlite*"))
    if summary.status != "solved":
        raise RuntimeError(f"the million steps ended {summary.status}: {summary.message}")
    return Million(
        perf_counter() - start,
        summary.seconds,
        summary.steps,
        back - resumed,
        early,
        _peak_mb(),
        size / summary.steps,
    )


async def _until_stopped(run: Path, model: str, options: dict[str, Any]) -> float:
    """Run to the millionth step; gives the peak memory of the early steps, in MB."""
    status, switch = RunStatus(), StopSwitch()
    task = {"name": "hanoi", "disks": DISKS}
    work = asyncio.ensure_future(
        reason.solve(task, run, status=status, switch=switch, model=[model], **options)
    )
    await _wait(lambda: status.steps >= EARLY, work)
    early = _peak_mb()
    await _wait(lambda: status.steps >= STOP, work)
    switch.press()
    await work
    return early


async def _go_on(run: Path) -> tuple[Summary, float]:
    """Finish the run; gives its summary and the moment of the first step that was new."""
    status = RunStatus()
    work = asyncio.ensure_future(reason.solve({}, run, status=status))
    await _wait(lambda: status.steps > status.steps_before >= STOP, work)
    back = perf_counter()
    return await work, back


async def _wait(reached: Callable[[], bool], work: "asyncio.Future[Summary]") -> None:
    while not reached() and not work.done():  # noqa: ASYNC110 - a run reports by plain fields
        await asyncio.sleep(0.01)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
