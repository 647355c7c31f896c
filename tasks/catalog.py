"""Tasks by name: those built in, and those of installed packages (plug-ins).

A *description* is the plain mapping that a run saves: the task's name and the arguments of its
class that make the very problem again. What the class takes is also what the command line offers.

A package adds a task by an entry point of the group ``reason.tasks``: the name of the task, and the
class. Plug-ins are loaded when they are asked for, so that a broken one spoils no other command.
"""

import inspect
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from itertools import groupby
from typing import Any, Literal, TypeAlias, cast, get_args

from reason.errors import ReasonError, UsageError
from tasks.arithmetic.task import Arithmetic
from tasks.base import Task
from tasks.guard import Guarded, fault
from tasks.hanoi.task import Hanoi
from tasks.multiplication.task import Multiplication
from tasks.sorting.task import Sorting

GROUP = "reason.tasks"

Description = dict[str, Any]
"""A task's name and parameters, JSON-able; two equal descriptions are the same problem."""

Style: TypeAlias = Literal["paper", "compact"]

TaskClass: TypeAlias = Callable[..., Task]

BUILT_IN: dict[str, TaskClass] = {
    "hanoi": Hanoi,
    "multiplication": Multiplication,
    "sorting": Sorting,
    "arithmetic": Arithmetic,
}

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
TAKEN = {"question", "qa"}  # other commands stand under these names
MEMBERS = sorted(
    {*Task.__annotations__, *(name for name in vars(Task) if not name.startswith("_"))}
)

ABSENT = object()


@cache
def plug_ins() -> dict[str, tuple[EntryPoint, ...]]:
    """The plug-ins by name, broken ones included; each of one package, if all is well.

    A built-in task's name cannot be taken.
    """
    found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    groups = groupby(found, key=lambda entry: entry.name)
    return {name: tuple(entries) for name, entries in groups if name not in BUILT_IN}


def task_names() -> list[str]:
    """Every task, the built-in ones first."""
    return [*BUILT_IN, *plug_ins()]


def task_class(name: str) -> TaskClass:
    """What makes the task. Raises UsageError for an unknown name or a broken plug-in."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    if name not in plug_ins():
        known = ", ".join(task_names())
        raise UsageError(
            f"unknown task {name!r}: the tasks are {known}; is the package of a plug-in missing?"
        )
    return _load(name)


def package_of(name: str) -> str:
    """The package that a plug-in comes from; several, if they quarrel about the name."""
    found = (entry.dist for entry in plug_ins()[name])
    return " and ".join(f"{dist.name} {dist.version}" if dist else "unknown" for dist in found)


def _load(name: str) -> TaskClass:
    entry, *others = plug_ins()[name]
    if others:
        raise _broken(name, "more than one package declares it")
    if not NAME.fullmatch(name) or name in TAKEN:
        raise _broken(name, "its name must be lower-case words joined by -, not a taken one")
    try:
        made: TaskClass = entry.load()
        inspect.signature(made, eval_str=True)
    except (Exception, SystemExit) as error:  # whatever a stranger's module does on import
        raise _broken(name, fault(error)) from None
    return made


def _broken(name: str, why: str) -> UsageError:
    where = package_of(name)
    return UsageError(f"the task {name!r} of {where} is broken: {why}; mend or uninstall it")


def parameters_of(name: str) -> list[inspect.Parameter]:
    """What the class takes, but for the prompt style, which is an option of the run."""
    taken = inspect.signature(task_class(name), eval_str=True).parameters.values()
    return [parameter for parameter in taken if parameter.name != "style"]


def styles(name: str) -> tuple[str, ...]:
    """The prompt styles that a task knows: those of its class's ``style``, or paper alone."""
    taken = inspect.signature(task_class(name), eval_str=True).parameters
    return get_args(taken["style"].annotation) if "style" in taken else ("paper",)


def describe(name: str, arguments: Mapping[str, Any]) -> Description:
    """The description of a problem by arguments of the task's class. Raises UsageError."""
    task = _make(name, arguments)
    try:
        description = {"name": name, **task.parameters}
        json.dumps(description)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the parameters of the task {name!r} are no JSON: {error}") from None
    return description


def canonical(description: Description) -> Description:
    """The description in full: defaults filled in, what is drawn at random drawn."""
    parameters = dict(description)
    return describe(str(parameters.pop("name", None)), parameters)


def build_task(description: Description, style: Style) -> Task:
    """The task of a description, in a prompt style; UsageError for one that makes no sense."""
    parameters = dict(description)
    name = str(parameters.pop("name", None))
    if len(styles(name)) > 1:
        parameters["style"] = style
    return _make(name, parameters)


def _make(name: str, arguments: Mapping[str, Any]) -> Task:
    made = task_class(name)
    strange: tuple[type[Exception], ...] = (TypeError,) if name in BUILT_IN else (Exception,)
    try:
        task = made(**arguments)
    except ReasonError:
        raise
    except strange as error:
        raise UsageError(f"not a task {name!r}: {error} (given {dict(arguments)})") from None
    return task if name in BUILT_IN else _guarded(name, task)


def _guarded(name: str, task: Task) -> Task:
    missing = [name for name in MEMBERS if inspect.getattr_static(task, name, ABSENT) is ABSENT]
    if missing:
        raise _broken(name, f"it lacks {', '.join(missing)}")
    return cast(Task, Guarded(task, f"the task {name!r} of {package_of(name)}"))
