"""The state of a running run, for whoever watches: plain fields, written by one, read by many."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class RunStatus:
    """A live view. The executor writes it; displays read it whenever they like.

    Attributes:
        phase: ``plan``, ``execute``, ``verify`` or ``done``.
        steps, steps_total: committed steps of all, the latter None when unknown.
        votes, flagged, surplus: valid votes, red-flagged answers, votes thrown away.
        k: margin in force, once planned.
        tokens, usd: spent; ``usd`` None when a price is unknown.
        state: the task's current state.
        note: one line worth a person's attention, such as a step decided by plurality.
    """

    phase: str = "plan"
    steps: int = 0
    steps_total: int | None = None
    votes: int = 0
    flagged: int = 0
    surplus: int = 0
    k: int | None = None
    tokens: int = 0
    usd: float | None = 0.0
    state: Any = None
    note: str = ""
    steps_before: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def rate(self) -> float:
        """Steps per second of this session."""
        elapsed = time.monotonic() - self.started
        return (self.steps - self.steps_before) / elapsed if elapsed > 0 else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds left at the present rate, when that can be told."""
        if self.steps_total is None or not self.rate:
            return None
        return (self.steps_total - self.steps) / self.rate


class StopSwitch:
    """Stops a run between steps, from a signal handler or another task.

    Votes in flight are cancelled at once; whatever is committed stays.
    """

    def __init__(self) -> None:
        self.pressed = False
        self._task: asyncio.Task[Any] | None = None

    def press(self) -> None:
        """Ask for the stop."""
        self.pressed = True
        if self._task is not None:
            self._task.cancel()

    def watch(self) -> None:
        """Let :meth:`press` cancel the calling task."""
        self._task = asyncio.current_task()

    def release(self) -> None:
        """End :meth:`watch`."""
        self._task = None
