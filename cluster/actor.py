"""What runs on a node: an actor that opens its worker once and does errands side by side.

Failures of this project's kinds travel back as values, so that the driver has an error of its own
to raise and no wrapped traceback.
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from reason.errors import ReasonError


class Worker(Protocol):
    """Does one kind of work with engines of its own."""

    async def do(self, item: Any) -> Any:
        """Do an errand. A cancellation may be answered with what was done so far."""
        ...


class Employ(Protocol):
    """Makes the worker; it travels to the node."""

    async def open(self) -> Worker:
        """Open engines. Raises ReasonError."""
        ...


class Actor:
    """See the module's text.

    Args:
        employ: makes the worker.
        keys: variables of the driver's environment that the engines need.
        folder: the driver's working directory, for paths that are not absolute.
    """

    def __init__(self, employ: Employ, keys: Mapping[str, str], folder: str) -> None:
        os.environ.update(keys)
        if Path(folder).is_dir():
            os.chdir(folder)
        self._employ = employ
        self._worker: Worker | None = None
        self._under_way: dict[int, asyncio.Task[Any]] = {}

    async def ready(self) -> ReasonError | None:
        """Open the worker; tells why it could not be opened."""
        try:
            self._worker = await self._employ.open()
        except ReasonError as error:
            return error
        return None

    async def do(self, ticket: int, item: Any) -> Any:
        """Do an errand; None where it was stopped and had nothing to tell."""
        assert self._worker is not None
        work = asyncio.ensure_future(self._worker.do(item))
        self._under_way[ticket] = work
        try:
            return await work
        except asyncio.CancelledError:
            return None
        finally:
            del self._under_way[ticket]

    async def stop(self, ticket: int) -> None:
        """Stop an errand."""
        if ticket in self._under_way:
            self._under_way[ticket].cancel()
