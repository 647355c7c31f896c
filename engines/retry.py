"""Trying again: exponential backoff with full jitter, bounded, honouring the server's wish."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from reason.errors import EngineError, TransientEngineError

T = TypeVar("T")

LONGEST_WAIT = 60.0


async def with_retries(
    call: Callable[[], Awaitable[T]],
    retries: int,
    backoff: float,
    again: Callable[[], None] = lambda: None,
) -> T:
    """The result of ``call``, tried ``1 + retries`` times; only transient faults are retried.

    Waits are drawn evenly from 0 to ``backoff * 2**attempt``, at most a minute; a Retry-After is
    waited for in full, plus jitter, so that not all clients come back in the same instant.
    ``again`` is told of every further attempt.
    Raises EngineError with the last fault once the attempts are used up.
    """
    for attempt in range(retries + 1):
        try:
            return await call()
        except TransientEngineError as error:
            if attempt == retries:
                raise EngineError(f"{error} (after {retries + 1} attempts)") from None
            again()
            await asyncio.sleep(_wait(error.retry_after, attempt, backoff))
    raise AssertionError("unreachable")


def _wait(retry_after: float | None, attempt: int, backoff: float) -> float:
    jitter = random.uniform(0, min(LONGEST_WAIT, backoff * 2.0**attempt))
    return min(LONGEST_WAIT, retry_after) + min(1.0, jitter) if retry_after is not None else jitter
