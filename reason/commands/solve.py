"""``reason solve``: start a run, or go on with the one in ``--run-dir``."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from reason.commands.common import print_json, run_in_foreground, stderr
from reason.commands.question import question
from reason.errors import UsageError
from reason.session import RunConfig
from reason.settings import load_settings
from runs.storage import check_server
from runs.store import RunDir, create, open_run
from tasks.catalog import Description, build_task


class QuestionOrTask(TyperGroup):
    """Takes the name of a task, or else a question: ``solve hanoi``, ``solve "What is 6 * 7?"``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command ``question`` in front of what names no task."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = ["question", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=QuestionOrTask,
    help="Solve a task step by step, every step voted on, or answer a question.",
    no_args_is_help=True,
)
app.command(name="question")(question)

Disks = Annotated[int, typer.Option("--disks", "-n", help="Number of disks, 1 to 64.")]
Model = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        help="Model spec: embedded, gguf:FILE, openai/NAME, http://HOST/v1#NAME, sim:error=0.01. "
        "Given several times, the models share the votes. [default: embedded]",
    ),
]


@app.command()
def hanoi(
    disks: Disks,
    model: Model = None,
    start: Annotated[int, typer.Option(help="Peg of the stack at the start, 0 to 2.")] = 0,
    goal: Annotated[int, typer.Option(help="Peg that the stack must reach, 0 to 2.")] = 2,
    k: Annotated[str | None, typer.Option(help="Margin of the vote, or auto. [default: 3]")] = None,
    target: Annotated[
        float | None, typer.Option(help="Wanted chance of success for --k auto. [default: 0.99]")
    ] = None,
    vote: Annotated[
        str | None, typer.Option(help="ahead-by-k, first-to-k or likelihood. [default: ahead-by-k]")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Completion cap; longer answers are red-flagged.")
    ] = None,
    first_temperature: Annotated[
        float | None, typer.Option(help="Temperature of a step's first vote. [default: 0]")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Temperature of all later votes. [default: 0.1]")
    ] = None,
    style: Annotated[
        str | None, typer.Option(help="Prompt style: auto, paper or compact. [default: auto]")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Requests in flight per model. [default: 16]")
    ] = None,
    transport: Annotated[
        str | None, typer.Option(help="To servers: lean (aiohttp) or openai. [default: lean]")
    ] = None,
    max_votes: Annotated[
        int | None, typer.Option(help="Samples per step. [default: the larger of 100 and 10 k]")
    ] = None,
    on_no_convergence: Annotated[
        str | None, typer.Option(help="stop, vary, plurality or escalate. [default: stop]")
    ] = None,
    escalate_model: Annotated[
        str | None, typer.Option(help="Model spec that votes on undecided steps.")
    ] = None,
    red_flag: Annotated[
        list[str] | None, typer.Option(help="Pattern of answers to discard; may be repeated.")
    ] = None,
    variants: Annotated[
        int | None, typer.Option(help="Ways of asking that votes take by turns. [default: 1]")
    ] = None,
    ladder: Annotated[
        str | None, typer.Option(help="Temperatures of later votes by turns, such as 0.1,0.5.")
    ] = None,
    mix: Annotated[
        str | None,
        typer.Option(help="Turns of several models: turns, evidence or 3,1. [default: turns]"),
    ] = None,
    check_transitions: Annotated[
        bool | None,
        typer.Option(help="Red-flag answers that break the task's rules (the rules then help)."),
    ] = None,
    rollback: Annotated[
        int | None, typer.Option(help="Steps to take back when one does not converge. [default: 0]")
    ] = None,
    speculate: Annotated[
        str | None,
        typer.Option(help="none, self or draft: start later steps early. [default: none]"),
    ] = None,
    window: Annotated[
        int | None, typer.Option(help="Steps in flight under --speculate. [default: 64]")
    ] = None,
    draft_model: Annotated[
        str | None, typer.Option(help="Model spec that drafts. [default: the task's own rule]")
    ] = None,
    budget_tokens: Annotated[int | None, typer.Option(help="Tokens of the whole run.")] = None,
    budget_usd: Annotated[float | None, typer.Option(help="Dollars of the whole run.")] = None,
    budget_seconds: Annotated[
        float | None, typer.Option(help="Working seconds of the whole run.")
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Directory of the run; an existing run is gone on with.")
    ] = None,
    journal_url: Annotated[
        str | None,
        typer.Option(help="PostgreSQL database for the journal. [default: a file in the run]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, show the plan, call no model.")
    ] = False,
) -> None:
    """Towers of Hanoi: 2^N - 1 dependent steps, none of which may be wrong."""
    code, _ = solve_hanoi(**locals())
    raise typer.Exit(code)


def solve_hanoi(
    *,
    disks: int,
    start: int,
    goal: int,
    run_dir: Path | None,
    as_json: bool,
    quiet: bool,
    dry_run: bool,
    **flags: Any,
) -> tuple[int, RunDir | None]:
    """What ``solve hanoi`` does; the exit code, and the run unless it was a dry one."""
    task = {"name": "hanoi", "disks": disks, "start": start, "goal": goal}
    config, run = prepare(task, flags, run_dir, dry_run=dry_run)
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
    build_task(task, "compact")
    config = RunConfig(task, settings.options())
    if run_dir is not None and (run_dir / "run.json").exists():
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
    saved = RunConfig.from_dict(run.config)
    if saved.task != asked.task:
        raise UsageError(f"{run.path} holds another problem, {saved.task}: name another --run-dir")
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
