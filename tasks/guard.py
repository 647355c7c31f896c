"""A plug-in's task under guard: a fault in its code is one line that says where, no traceback.

Answers of models are strange now and then, and a parser that meets one it was not written for may
raise anything. The run then stops resumably, and goes on once the plug-in is mended.
"""

import functools
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from reason.errors import ReasonError, TaskError
from tasks.base import RedFlag, Task, Variant


class Guarded:
    """Everything that the task is, every call of it watched.

    Args:
        task: the plug-in's.
        origin: names the task and its package.
    """

    def __init__(self, task: Task, origin: str) -> None:
        self._task, self._origin = task, origin

    def __getattr__(self, name: str) -> Any:
        value = self._watch(name, getattr)(self._task, name)
        return self._watch(name, value) if callable(value) else value

    def variants(self) -> Sequence[Variant]:
        """The task's variants, watched like the task."""
        return [
            variant._replace(
                prompt=self._watch("a variant's prompt", variant.prompt),
                parse=self._watch("a variant's parse", variant.parse),
            )
            for variant in self._watch("variants", self._task.variants)()
        ]

    def _watch(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def watched(*arguments: Any, **named: Any) -> Any:
            try:
                return function(*arguments, **named)
            except (ReasonError, RedFlag):
                raise
            except Exception as error:
                raise TaskError(f"{self._origin} failed in {name}: {fault(error)}") from error

        return watched


def fault(error: BaseException) -> str:
    """An error of somebody else's code in one line: what it is, and the line that raised it."""
    said = " ".join(str(error).split())
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"
