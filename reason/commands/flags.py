"""Flags of the commands that work on a task, each from its one source.

What shapes a run is a field of :class:`reason.settings.RunOptions`: its name, type, default and
text become the flag. What a problem needs is a parameter of the task's class, marked for the
command line by :class:`tasks.base.Parameter`. A command's signature is put together from both, so
neither is written down twice, and a plug-in's parameters are flags like any others.
"""

from collections.abc import Iterable, Sequence
from inspect import Parameter as Argument
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import typer
from rich.markup import escape

from reason.errors import UsageError
from reason.settings import RunOptions
from tasks.base import Parameter

SHORT = {"model": "-m"}
FILE_ONLY = {"prices"}  # a table, which no flag can hold
PLAIN = (int, float, bool, str, list[str])

RESERVED = {"name", "-m", "-q", "-h"}  # what a task is called, and short flags of all commands

PANEL = "The run"


def flag(name: str, kind: Any, default: Any, option: Any) -> Argument:
    """A parameter of a command."""
    return Argument(
        name, Argument.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )


RUN_DIR = flag(
    "run_dir",
    Path | None,
    None,
    typer.Option(
        help="Directory of the run; an existing run is gone on with.", rich_help_panel=PANEL
    ),
)
JOURNAL_URL = flag(
    "journal_url",
    str | None,
    None,
    typer.Option(
        help="PostgreSQL database for the journal. [default: a file in the run]",
        rich_help_panel=PANEL,
    ),
)
JSON = flag("as_json", bool, False, typer.Option("--json", help="One JSON object on stdout."))
QUIET = flag("quiet", bool, False, typer.Option("--quiet", "-q", help="No progress, no table."))
DRY_RUN = flag(
    "dry_run",
    bool,
    False,
    typer.Option("--dry-run", help="Check everything, show the plan, call no model."),
)


def run_flags(names: Iterable[str] | None = None) -> list[Argument]:
    """The flags of the run options, or of those named; all may be left out."""
    fields = RunOptions.model_fields
    wanted = [name for name in fields if name not in FILE_ONLY] if names is None else names
    return [_run_flag(name) for name in wanted]


def _run_flag(name: str) -> Argument:
    field = RunOptions.model_fields[name]
    default = field.get_default(call_default_factory=True)
    shown = " ".join(map(str, default)) if isinstance(default, list) else str(default)
    kind, word = _flag_type(field.annotation), name.replace("_", "-")
    option = typer.Option(
        f"--{word}/--no-{word}" if kind is bool else f"--{word}",
        *filter(None, [SHORT.get(name)]),
        help=" ".join((field.description or "").split()),
        show_default=shown if default is not False and shown not in ("", "None") else False,
        rich_help_panel=PANEL,
    )
    return flag(name, kind | None, None, option)


def _flag_type(annotation: Any) -> Any:
    """What typer reads; every kind that it does not know is read as text by the settings."""
    kind = _without_none(annotation)
    return kind if kind in PLAIN else str


def _without_none(annotation: Any) -> Any:
    """``int`` for ``int | None``; any other union stays one."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    parts = [part for part in get_args(annotation) if part is not type(None)]
    return parts[0] if len(parts) == 1 else annotation


def task_flags(
    name: str, parameters: Sequence[Argument], taken: Sequence[Argument]
) -> list[Argument]:
    """The flags of a task's own parameters. Raises UsageError for one that cannot be a flag."""
    reserved = RESERVED.union(flag.name for flag in taken)
    for parameter in parameters:
        if clash := reserved & {parameter.name, _marked(parameter).short}:
            raise UsageError(
                f"the task {name!r} has a parameter {clash.pop()!r}, which has another meaning in "
                "the command: its author must rename it"
            )
        if _without_none(_split(parameter)[0]) not in PLAIN:
            raise UsageError(
                f"the task {name!r} has a parameter {parameter.name!r} of a type that no option "
                "can have: its author must use int, float, bool, str or list[str]"
            )
    return [_task_flag(parameter) for parameter in parameters]


def _split(parameter: Argument) -> tuple[Any, ...]:
    """The type of a parameter, then what it is annotated with."""
    annotation = parameter.annotation
    return get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)


def _marked(parameter: Argument) -> Parameter:
    """What the task says of a parameter, if anything."""
    notes = _split(parameter)[1:]
    return next((note for note in notes if isinstance(note, Parameter)), Parameter(""))


def _task_flag(parameter: Argument) -> Argument:
    marked = _marked(parameter)
    names = [f"--{parameter.name.replace('_', '-')}", *filter(None, [marked.short])]
    option = typer.Option(*names, help=escape(marked.help))
    return flag(parameter.name, _split(parameter)[0], parameter.default, option)
