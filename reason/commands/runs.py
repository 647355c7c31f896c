"""``reason runs``: list, show, resume, verify and prune the runs on this machine."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from agents.graph import verify_journal
from reason.commands.asking import ClusterFlag
from reason.commands.common import print_json, run_in_foreground, stderr, stdout
from reason.errors import ReasonError, UsageError
from reason.run_config import RunConfig, saved_config
from reason.settings import change_options, load_settings
from runs.store import BrokenRun, RunDir, find, list_runs

app = typer.Typer(help="The runs on this machine.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="RUN", help="Run id, the start of one, or a directory.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]

CHANGEABLE = (
    *("budget_tokens", "budget_usd", "budget_seconds", "max_votes", "concurrency"),
    "engine_cluster",
    *("variants", "on_no_convergence", "escalate_model", "rollback"),
)


def _find(name: str) -> RunDir:
    return find(load_settings().runs_dir, name)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """All runs, the newest first, broken ones included."""
    base = load_settings().runs_dir
    rows = [_row(run) for run in list_runs(base)]
    if as_json:
        print_json({"runs": rows})
        return
    table = Table("run", "status", "steps", "votes", "seconds", box=None)
    for row in rows:
        table.add_row(
            *(str(row.get(name, "")) for name in ("run_id", "status", "steps", "votes", "seconds"))
        )
    stdout().print(table if rows else f"no runs in {base}")


@app.command()
def show(run: Id, as_json: AsJson = False) -> None:
    """One run: its configuration, totals and state."""
    found = _find(run)
    config = saved_config(found)
    with found.journal(config.genesis, readonly=True) as journal:
        head, totals = journal.head(), journal.totals()
        usage = [part._asdict() for part in journal.usage()]
    data = {
        "run_id": found.run_id,
        "run_dir": str(found.path),
        "journal": str(found.place),
        "status": found.status(),
        "step": head.step,
        "hash": head.hash.hex(),
        "totals": totals._asdict(),
        "usage": usage,
        **config.to_dict(),
    }
    if as_json:
        print_json(data)
        return
    for name, value in data.items():
        line = Text.assemble((name, "bold"), f": {value}")
        stdout().print(line, soft_wrap=True)


@app.command()
def resume(
    run: Id,
    budget_tokens: Annotated[int | None, typer.Option(help="New token limit.")] = None,
    budget_usd: Annotated[float | None, typer.Option(help="New limit in dollars.")] = None,
    budget_seconds: Annotated[float | None, typer.Option(help="New limit in seconds.")] = None,
    max_votes: Annotated[int | None, typer.Option(help="New limit of samples per step.")] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="New limit of requests in flight.")
    ] = None,
    engine_cluster: ClusterFlag = None,
    variants: Annotated[
        int | None, typer.Option(help="Ways of asking that votes take by turns.")
    ] = None,
    on_no_convergence: Annotated[
        str | None, typer.Option(help="stop, vary, plurality or escalate.")
    ] = None,
    escalate_model: Annotated[
        str | None, typer.Option(help="Model spec that votes on undecided steps.")
    ] = None,
    rollback: Annotated[
        int | None, typer.Option(help="Steps to take back when one does not converge.")
    ] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Go on with a run under its saved configuration, but for limits and ways out of a dead end."""
    given = {name: value for name, value in locals().items() if name in CHANGEABLE}
    found = _find(run)
    config = saved_config(found)
    changes = {name: value for name, value in given.items() if value is not None}
    if changes:
        config = RunConfig(config.task, change_options(config.options, changes))
        config.check()
    code = run_in_foreground(config, found, as_json=as_json, quiet=quiet, changed=bool(changes))
    raise typer.Exit(code)


@app.command()
def verify(run: Id, as_json: AsJson = False) -> None:
    """Replay a run offline: hash chain, no gap, every step right by the task's own check."""
    found = _find(run)
    config = saved_config(found)
    with found.journal(config.genesis, readonly=True) as journal:
        verdict = verify_journal(config.build_task(), journal, config.genesis)
        head = journal.head()
    data = {
        "run_id": found.run_id,
        "ok": verdict.ok,
        "steps": verdict.steps,
        "first_error": verdict.first_error,
        "reason": verdict.reason,
        "hash": head.hash.hex(),
    }
    if as_json:
        print_json(data)
    else:
        line = "verified" if verdict.ok else f"not verified: {verdict.reason}"
        stdout().print(f"{found.run_id}: {verdict.steps:,} steps, {line}", highlight=False)
    raise typer.Exit(0 if verdict.ok else 1)


@app.command()
def prune(
    run: Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help="Runs.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All runs.")] = False,
) -> None:
    """Drop raw samples and checkpoints; steps, totals and configuration stay."""
    if bool(run) == every:
        raise UsageError("name the runs to prune, or give --all")
    if every:
        raise typer.Exit(_prune_all(list_runs(load_settings().runs_dir)))
    for found in [_find(name) for name in run or []]:
        _prune(found)


def _prune(run: RunDir) -> None:
    freed = run.prune()
    stderr.print(f"{run.path.name}: {freed:,} bytes freed", highlight=False)


def _prune_all(runs: Sequence[RunDir]) -> int:
    """Prune what can be pruned; the code is that of a failure, which a run in progress is not."""
    code = 0
    for run in runs:
        if isinstance(run, BrokenRun):  # evaluations, for one
            continue
        try:
            _prune(run)
        except ReasonError as error:
            told = f"{run.path.name}: left as it is: {error}"
            stderr.print(told, highlight=False, soft_wrap=True)
            code = code if isinstance(error, UsageError) else error.exit_code
    return code


def _row(run: RunDir) -> dict[str, object]:
    row: dict[str, object] = {
        "run_id": run.run_id,
        "status": run.status(),
        "run_dir": str(run.path),
    }
    summary = run.summary() or {}
    return {**row, **{name: summary.get(name) for name in ("steps", "votes", "seconds")}}
