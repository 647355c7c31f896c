"""How many questions are worked on at once, and how many may wait; more are turned away.

A server that accepts everything ends by failing everybody. This one works on a fixed number of
questions, lets a fixed number wait in line, and tells all others at once to come back.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from serving.errors import ApiError

RETRY_AFTER = "1"  # seconds; places become free all the time


class Gate:
    """See the module's text.

    Args:
        at_once: questions worked on at once.
        queue: questions that may wait.

    Attributes:
        admitted_now: questions inside, waiting ones included.
        working: questions worked on.
    """

    def __init__(self, at_once: int, queue: int) -> None:
        self.at_once, self.queue = at_once, queue
        self.admitted_now = self.working = 0
        self._places = asyncio.Semaphore(at_once)

    @property
    def waiting(self) -> int:
        """Questions in line."""
        return self.admitted_now - self.working

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Be inside, with or without a place yet. Raises ApiError (503) when the line is full."""
        if self.admitted_now >= self.at_once + self.queue:
            raise ApiError(
                503,
                f"the server is full: {self.at_once} questions under way, {self.queue} waiting",
                kind="overloaded_error",
                code="overloaded",
                headers={"Retry-After": RETRY_AFTER},
            )
        self.admitted_now += 1
        try:
            yield
        finally:
            self.admitted_now -= 1

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, first come, first served, and hold it."""
        async with self._places:
            self.working += 1
            try:
                yield
            finally:
                self.working -= 1
