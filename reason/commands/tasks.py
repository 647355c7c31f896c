"""Command groups with a command for every task: ``solve``, ``estimate`` and ``eval``.

A task's command is made when it is asked for. So plug-ins cost nothing elsewhere, and a broken one
shows in the help as broken and fails, in one line, where it is used.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import typer
from rich.markup import escape
from typer.core import TyperGroup

from reason.commands.flags import task_flags
from reason.errors import UsageError
from tasks.catalog import Description, describe, parameters_of, task_class, task_names


class Form(NamedTuple):
    """What the commands of a group share.

    Attributes:
        flags: the options of every one of them.
        work: carries a command out, given the problem and the values of the options.
        help: the command's help; by default the task's own first line.
    """

    flags: Sequence[inspect.Parameter]
    work: Callable[[Description, Mapping[str, Any]], None]
    help: str = "{}"


class TaskGroup(TyperGroup):
    """A group with a command for every task, besides those written out."""

    form: ClassVar[Form]

    def list_commands(self, ctx: Any) -> list[str]:
        """The tasks, then what is written out."""
        return [*(name for name in task_names() if name not in self.commands), *self.commands]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or None."""
        if cmd_name in self.commands or cmd_name not in task_names():
            return super().get_command(ctx, cmd_name)
        return task_command(cmd_name, self.form)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the arguments begin with. Raises UsageError, naming those there are."""
        if args[0][:1] != "-" and self.get_command(ctx, args[0]) is None:
            known = ", ".join(self.list_commands(ctx))
            raise UsageError(f"unknown task {args[0]!r}: name one of {known}")
        return super().resolve_command(ctx, args)


def task_command(name: str, form: Form) -> Any:
    """The command of a task; of a broken plug-in one that says what is wrong."""
    try:
        return _command(name, work_of(name, form), form.help.format(escape(about(name))))
    except UsageError as error:
        return _broken(name, error)


def about(name: str) -> str:
    """The first line of what the task's class says of itself. Raises UsageError."""
    return (inspect.getdoc(task_class(name)) or name).partition("\n")[0]


def work_of(name: str, form: Form) -> Callable[..., None]:
    """What a task's command calls, with the signature of the command. Raises UsageError."""
    own = task_flags(name, parameters_of(name), form.flags)

    def work(**given: Any) -> None:
        values = {flag.name: given.pop(flag.name) for flag in own}
        arguments = {key: value for key, value in values.items() if value is not None}
        form.work(describe(name, arguments), given)

    signature = inspect.Signature([*own, *form.flags])
    work.__signature__ = signature  # type: ignore[attr-defined]
    return work


def _command(name: str, function: Callable[..., None], help: str, **settings: Any) -> Any:
    app = typer.Typer(add_completion=False)
    app.command(name=name, help=help, **settings)(function)
    return typer.main.get_command(app)


def _broken(name: str, error: UsageError) -> Any:
    def fail(ctx: typer.Context) -> None:
        raise error

    lenient = {"ignore_unknown_options": True, "allow_extra_args": True}
    return _command(name, fail, escape(f"BROKEN: {error}"), context_settings=lenient)
