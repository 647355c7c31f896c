"""Working for a client that may leave: whatever it waits for is cancelled when it does.

A server that goes on asking models for an answer nobody reads burns money. Whoever awaits here
listens to the connection at the same time; when it closes, the work is cancelled, and with it every
call in flight.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from agents.questions.answering import Answered
from agents.questions.desk import Call
from serving.gate import Gate
from serving.service import Job, Service

T = TypeVar("T")

SILENCE = 15.0  # seconds after which a stream gives a sign of life


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of work, which is cancelled when the client leaves. Raises ClientGone then."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGone
    finally:
        await _stop(task)
        await _stop(gone)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _stop(task: "asyncio.Future[Any]") -> None:
    if not task.done():
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task


async def progress(service: Service, job: Job) -> AsyncGenerator[Call | Answered | None, None]:
    """Every call of a job as it comes in, and at the end the answer; None after long silence.

    Closing the iterator cancels the job.
    """
    calls: asyncio.Queue[Call | None] = asyncio.Queue()
    task = asyncio.ensure_future(service.work(job, calls.put_nowait))
    task.add_done_callback(lambda _: calls.put_nowait(None))
    try:
        while True:
            try:
                async with asyncio.timeout(SILENCE):
                    call = await calls.get()
            except TimeoutError:
                yield None
                continue
            if call is None:
                break
            yield call
        yield task.result()
    finally:
        await _stop(task)


class EventStream(StreamingResponse):
    """Server-sent events that stop being made when the client leaves.

    The gate is asked before the status is sent, so that a full server says so by its status.
    """

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes, None], gate: Gate) -> None:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(frames, headers=headers)
        self._frames, self._gate = frames, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        with self._gate.admitted(), suppress(ClientGone):
            await while_connected(receive, self._send(send))

    async def _send(self, send: Send) -> None:
        try:
            await self.stream_response(send)
        finally:
            await self._frames.aclose()


async def answer_waiting(service: Service, job: Job, receive: Receive) -> Answered:
    """The answer for a client that waits for it. Raises ClientGone, ApiError, ReasonError."""
    with service.gate.admitted():
        return await while_connected(receive, service.work(job))
