"""``/v1/chat/completions``: a question as a chat, whole or streamed.

While a strategy works, a stream tells each inner answer as a delta of ``reasoning_content``; the
answer follows as a delta of ``content``. ``usage`` is the sum of all inner calls. A leading answer
whose vote was not decided ends with ``length``, a decided one with ``stop``.
"""

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from agents.questions.answering import Answered
from agents.questions.desk import Call
from serving.errors import QUESTION_RESPONSES, of_any
from serving.requests import ChatRequest
from serving.service import Job, Service
from serving.words import account, final_words, progress_line
from serving.work import ClientGone, EventStream, answer_waiting, progress

GONE = 499  # what logs and metrics call a request whose client left


def chat_router(service: Service) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["openai"])

    @router.post("/v1/chat/completions", responses=QUESTION_RESPONSES, response_model=None)
    async def complete(request: Request, body: ChatRequest) -> Response:
        """Answer the last message of the user."""
        job = service.take(body.model, body.question, body.options(body.cap))
        form = _Form(job, body)
        if body.stream:
            return EventStream(_frames(service, job, form), service.gate)
        try:
            answered = await answer_waiting(service, job, request.receive)
        except ClientGone:
            return Response(status_code=GONE)
        return JSONResponse(form.whole(answered))

    return router


class _Form:
    """The JSON of one answer."""

    def __init__(self, job: Job, body: ChatRequest) -> None:
        self._head = {
            "id": f"chatcmpl-{job.question.id}",
            "created": int(time.time()),
            "model": body.model,
        }
        self.with_usage = bool(body.stream_options and body.stream_options.include_usage)

    def whole(self, answered: Answered) -> dict[str, Any]:
        """An answer that is not streamed."""
        message = {"role": "assistant", "content": final_words(answered), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _end(answered)}
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [choice],
            "usage": usage(answered),
            "reason": account(answered),
        }

    def delta(self, **delta: str) -> bytes:
        """A piece of a streamed answer."""
        return self._chunk([{"index": 0, "delta": delta, "finish_reason": None}])

    def ending(self, answered: Answered) -> bytes:
        """The last pieces: why it ended, and the usage if that was asked for."""
        choice = {"index": 0, "delta": {}, "finish_reason": _end(answered)}
        last = self._chunk([choice], reason=account(answered))
        return last + self._chunk([], usage=usage(answered)) if self.with_usage else last

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        none = {"usage": None} if self.with_usage else {}
        chunk = {**self._head, "object": "chat.completion.chunk", "choices": choices}
        return frame({**chunk, **none, **more})


async def _frames(service: Service, job: Job, form: _Form) -> AsyncGenerator[bytes, None]:
    yield form.delta(role="assistant", content="")
    try:
        async with aclosing(progress(service, job)) as all_news:
            async for news in all_news:
                if news is None:
                    yield KEEPALIVE_COMMENT
                elif isinstance(news, Call):
                    yield form.delta(reasoning_content=progress_line(news))
                else:
                    yield form.delta(content=final_words(news))
                    yield form.ending(news)
    except Exception as error:
        yield frame(of_any(error).body)
    yield format_sse_event(data_str="[DONE]")


def frame(data: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return format_sse_event(data_str=json.dumps(data))


def usage(answered: Answered) -> dict[str, int]:
    """Tokens of all inner calls together."""
    prompt, completion = answered.prompt_tokens, answered.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _end(answered: Answered) -> str:
    return "stop" if answered.outcome.decided else "length"
