"""The Python API: what the command line does, as one coroutine."""

from pathlib import Path
from typing import Any

from agents.status import RunStatus, StopSwitch
from reason.session import RunConfig, run_session
from reason.settings import RunOptions
from reason.summary import Summary
from runs.store import create, open_run
from tasks.catalog import Description, canonical


async def solve(
    task: Description,
    run_dir: Path | str,
    *,
    status: RunStatus | None = None,
    switch: StopSwitch | None = None,
    **options: Any,
) -> Summary:
    """Solve a task, or go on with the run in ``run_dir``.

    Args:
        task: the problem, such as ``{"name": "hanoi", "disks": 10}``.
        run_dir: directory of the run; an existing run keeps its saved configuration.
        status: a live view to be kept up to date.
        switch: stops the run when pressed.
        options: fields of :class:`reason.settings.RunOptions`.

    Raises UsageError for what cannot be carried out; every later failure is the summary's status.
    """
    path = Path(run_dir)
    if (path / "run.json").exists():
        run = open_run(path)
        config = RunConfig.from_dict(run.config)
    else:
        config = RunConfig(canonical(task), RunOptions(**options))
        config.check()
        run = create(path.parent, path.name, config.to_dict(), config.build_task().label)
    with run.lease():
        return await run_session(config, run, status or RunStatus(), switch or StopSwitch())
