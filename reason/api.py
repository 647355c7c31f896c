"""The Python API: what the command line does, as one coroutine."""

from pathlib import Path
from typing import Any

from agents.status import RunStatus, StopSwitch
from reason.errors import UsageError
from reason.run_config import RunConfig, saved_config
from reason.session import run_session
from reason.settings import RunOptions, check_journal_url
from reason.summary import Summary
from runs.store import create, open_run
from tasks.catalog import Description, canonical


async def solve(
    task: Description,
    run_dir: Path | str,
    *,
    status: RunStatus | None = None,
    switch: StopSwitch | None = None,
    journal_url: str | None = None,
    **options: Any,
) -> Summary:
    """Solve a task, or go on with the run in ``run_dir``.

    Args:
        task: the problem, such as ``{"name": "hanoi", "disks": 10}``.
        run_dir: directory of the run; an existing run keeps its saved configuration.
        status: a live view to be kept up to date.
        switch: stops the run when pressed.
        journal_url: PostgreSQL database for the journal of a new run, without a password.
        options: fields of :class:`reason.settings.RunOptions`.

    Raises UsageError for what cannot be carried out; every later failure is the summary's status.
    """
    path = Path(run_dir)
    if (path / "run.json").exists():
        run = open_run(path)
        config = saved_config(run)
    else:
        config = RunConfig(canonical(task), RunOptions(**options))
        config.check()
        url = _checked(journal_url)
        run = create(path.parent, path.name, config.to_dict(), config.build_task().label, url)
    with run.lease():
        return await run_session(config, run, status or RunStatus(), switch or StopSwitch())


def _checked(journal_url: str | None) -> str | None:
    try:
        return check_journal_url(journal_url) if journal_url else None
    except ValueError as error:
        raise UsageError(f"journal_url {error}") from None
