"""Tasks by description: the plain mapping that a run saves, and the task it describes."""

from typing import Any, Literal

from reason.errors import UsageError
from tasks.base import Task
from tasks.hanoi.task import Hanoi

Description = dict[str, Any]
"""A task's name and parameters, JSON-able; two equal descriptions are the same problem."""


def build_task(description: Description, style: Literal["paper", "compact"]) -> Task:
    """The task of a description, in a prompt style; UsageError for one that makes no sense."""
    parameters = dict(description)
    name = parameters.pop("name", None)
    if name != "hanoi":
        raise UsageError(f"unknown task {name!r}: the tasks are hanoi")
    try:
        return Hanoi(**parameters, style=style)
    except TypeError:
        raise UsageError(f"not a description of a Hanoi task: {description}") from None
