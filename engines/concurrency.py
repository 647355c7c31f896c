"""Concurrent calls of which none outlives the group."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def together(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Results in the order given; the first failure, or a cancellation, cancels all the rest."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def in_order(calls: Iterable[Coroutine[Any, Any, T]], receive: Callable[[T], None]) -> None:
    """Run calls at once and hand each result over in the order given, as soon as it can be.

    The first failure, or a cancellation, cancels all the rest. A single call costs no task.
    """
    waiting = list(calls)
    if len(waiting) == 1:
        receive(await waiting[0])
        return
    tasks = [asyncio.ensure_future(call) for call in waiting]
    try:
        await _hand_over(tasks, receive)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _hand_over(tasks: Sequence[asyncio.Future[T]], receive: Callable[[T], None]) -> None:
    pending, handed = set(tasks), 0
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # a failure is raised at once, whatever its place in the order
        while handed < len(tasks) and tasks[handed].done():
            receive(tasks[handed].result())
            handed += 1
