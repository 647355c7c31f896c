"""Answering a question over HTTP, whole or as a stream: what both of OpenAI's forms share.

A :class:`Form` writes those words (:mod:`serving.chat`, :mod:`serving.responses`). What is done is
the same for both: wait for the answer and for the client's leaving, or tell calls as they come in,
then the answer; once a stream has begun, an error is one of its events.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any, Protocol

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import KEEPALIVE_COMMENT

from agents.questions.answering import Answered
from agents.questions.desk import Call
from serving.errors import of_any
from serving.service import Job, Service
from serving.work import ClientGone, EventStream, answer_waiting, progress

GONE = 499  # what logs and metrics call a request whose client left


class Form(Protocol):
    """How one answer is written: as one JSON object, or as events."""

    def whole(self, answered: Answered) -> dict[str, Any]:
        """The body of an answer that is not streamed."""

    def opening(self) -> Iterable[bytes]:
        """The events before anything is known."""

    def call(self, call: Call) -> bytes:
        """What is told of a call that came in."""

    def ending(self, answered: Answered) -> Iterable[bytes]:
        """The events of the answer."""

    def failure(self, error: dict[str, Any]) -> bytes:
        """The event of an error, given as :class:`serving.errors.ErrorDetail`."""

    def closing(self) -> Iterable[bytes]:
        """The events after everything, failed or not."""


async def reply(service: Service, request: Request, job: Job, form: Form, stream: bool) -> Response:
    """Work on a job and answer. Raises ApiError and ReasonError before a response has begun."""
    if stream:
        return EventStream(_events(service, job, form), service.gate)
    try:
        answered = await answer_waiting(service, job, request.receive)
    except ClientGone:
        return Response(status_code=GONE)
    return JSONResponse(form.whole(answered))


async def _events(service: Service, job: Job, form: Form) -> AsyncGenerator[bytes, None]:
    for event in form.opening():
        yield event
    try:
        async with aclosing(progress(service, job)) as all_news:
            async for news in all_news:
                for event in _told(form, news):
                    yield event
    except Exception as error:
        yield form.failure(of_any(error).body["error"])
    for event in form.closing():
        yield event


def _told(form: Form, news: Call | Answered | None) -> Iterable[bytes]:
    if news is None:
        return [KEEPALIVE_COMMENT]
    return [form.call(news)] if isinstance(news, Call) else form.ending(news)
