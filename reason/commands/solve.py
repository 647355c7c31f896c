"""``reason solve``: start a run, or go on with the one in ``--run-dir``."""

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from reason.commands.common import print_json, run_in_foreground, stderr
from reason.commands.flags import DRY_RUN, JOURNAL_URL, JSON, QUIET, RUN_DIR, run_flags
from reason.commands.question import question
from reason.commands.tasks import Form, TaskGroup
from reason.errors import UsageError
from reason.run_config import RunConfig, saved_config
from reason.settings import load_settings
from runs.storage import check_server
from runs.store import RunDir, create, is_there, open_run
from tasks.catalog import Description

FLAGS = (*run_flags(), RUN_DIR, JOURNAL_URL, JSON, QUIET, DRY_RUN)


def solve(task: Description, flags: Mapping[str, Any]) -> None:
    """Solve the problem and exit with the run's code."""
    code, _ = solve_task(task, flags)
    raise typer.Exit(code)


class QuestionOrTask(TaskGroup):
    """Takes the name of a task, or else a question: ``solve hanoi``, ``solve "What is 6 * 7?"``."""

    form = Form(FLAGS, solve)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command ``question`` in front of what names no task."""
        if args and args[0] not in ("--help", "-h") and self.get_command(ctx, args[0]) is None:
            args = ["question", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=QuestionOrTask,
    help="Solve a task step by step, every step voted on, or answer a question.",
    no_args_is_help=True,
)
app.command(name="question")(question)


@app.callback()
def group() -> None:
    """Hold the commands together; there is but one besides the tasks."""


def solve_task(task: Description, flags: Mapping[str, Any]) -> tuple[int, RunDir | None]:
    """What ``solve NAME`` does; the exit code, and the run unless it was a dry one."""
    options = dict(flags)
    run_dir, dry_run = options.pop("run_dir"), options.pop("dry_run")
    as_json, quiet = options.pop("as_json"), options.pop("quiet")
    config, run = prepare(task, options, run_dir, dry_run=dry_run)
    if run is None:
        show_plan(config, as_json=as_json)
        return 0, None
    return run_in_foreground(config, run, as_json=as_json, quiet=quiet), run


def prepare(
    task: Description, flags: dict[str, Any], run_dir: Path | None, *, dry_run: bool
) -> tuple[RunConfig, RunDir | None]:
    """The checked configuration and the run to work on (None for a dry run).

    A run that exists is gone on with under its saved configuration; asking for another problem in
    its directory, or for other settings, is an error.
    """
    settings = load_settings(flags)
    config = RunConfig(task, settings.options())
    if run_dir is not None and is_there(run_dir / "run.json"):
        run = open_run(run_dir)
        return _saved(run, config, flags), None if dry_run else run
    config.check()
    if dry_run:
        if settings.journal_url is not None:
            check_server(settings.journal_url)
        return config, None
    label = config.build_task().label
    base, name = (run_dir.parent, run_dir.name) if run_dir else (settings.runs_dir, None)
    return config, create(base, name, config.to_dict(), label, settings.journal_url)


def _saved(run: RunDir, asked: RunConfig, flags: dict[str, Any]) -> RunConfig:
    saved = saved_config(run)
    if saved.task != asked.task:
        held = reprlib.repr(saved.task)  # a problem may be as long as its run
        raise UsageError(f"{run.path} holds another problem, {held}: name another --run-dir")
    wanted = asked.options.model_dump() | {"journal_url": flags.get("journal_url")}
    has = saved.options.model_dump() | {"journal_url": run.server and run.server.url}
    for name, value in flags.items():
        kept = has[name]
        if value is not None and kept != wanted[name]:
            raise UsageError(
                f"--{name.replace('_', '-')} differs from the run's {kept}: leave it out to go on "
                "with the run, or name another --run-dir"
            )
    return saved


def show_plan(config: RunConfig, *, as_json: bool) -> None:
    """What a run of this configuration would do, without doing it."""
    task = config.build_task()
    policy = config.policy(task)
    steps = task.steps()
    least = None if steps is None or config.options.k == "auto" else steps * policy.k
    plan = {
        "task": task.label,
        "style": config.style,
        "steps_total": steps,
        "k": config.options.k,
        "calls_at_least": least,
        "max_tokens": policy.max_tokens,
        "max_votes": policy.max_votes,
        "options": config.options.model_dump(mode="json"),
    }
    if as_json:
        print_json(plan)
        return
    for name, value in plan.items():
        stderr.print(f"{name}: {value}", highlight=False, soft_wrap=True)
