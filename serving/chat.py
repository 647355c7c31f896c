"""``/v1/chat/completions``: a question as a chat, whole or streamed.

While a strategy works, a stream tells each inner answer as a delta of ``reasoning_content``; the
answer follows as a delta of ``content``. ``usage`` is the sum of all inner calls. A leading answer
whose vote was not decided ends with ``length``, a decided one with ``stop``.
"""

import json
import time
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.sse import format_sse_event

from agents.questions.answering import Answered
from agents.questions.desk import Call
from serving.errors import QUESTION_RESPONSES
from serving.replies import reply
from serving.requests import ChatRequest
from serving.service import Job, Service
from serving.words import account, final_words, progress_line


def chat_router(service: Service) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["openai"])

    @router.post("/v1/chat/completions", responses=QUESTION_RESPONSES, response_model=None)
    async def complete(request: Request, body: ChatRequest) -> Response:
        """Answer the last message of the user."""
        job = service.take(body.model, body.question, body.options(body.cap))
        return await reply(service, request, job, _Form(job, body), bool(body.stream))

    return router


class _Form:
    """The JSON of one answer."""

    def __init__(self, job: Job, body: ChatRequest) -> None:
        self._head = {
            "id": f"chatcmpl-{job.question.id}",
            "created": int(time.time()),
            "model": body.model,
        }
        self._with_usage = bool(body.stream_options and body.stream_options.include_usage)

    def whole(self, answered: Answered) -> dict[str, Any]:
        """An answer that is not streamed."""
        message = {"role": "assistant", "content": final_words(answered), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _end(answered)}
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [choice],
            "usage": _usage(answered),
            "reason": account(answered),
        }

    def opening(self) -> list[bytes]:
        """Who speaks."""
        return [self._delta(role="assistant", content="")]

    def call(self, call: Call) -> bytes:
        """A line for each inner answer."""
        return self._delta(reasoning_content=progress_line(call))

    def ending(self, answered: Answered) -> list[bytes]:
        """The answer, why it ended, and the usage if that was asked for."""
        choice = {"index": 0, "delta": {}, "finish_reason": _end(answered)}
        said = self._delta(content=final_words(answered))
        last = self._chunk([choice], reason=account(answered))
        return [said, last, *([self._chunk([], usage=_usage(answered))] * self._with_usage)]

    def failure(self, error: dict[str, Any]) -> bytes:
        """An error as OpenAI's client reads it out of a stream."""
        return _frame({"error": error})

    def closing(self) -> list[bytes]:
        """The mark of the end."""
        return [format_sse_event(data_str="[DONE]")]

    def _delta(self, **delta: str) -> bytes:
        return self._chunk([{"index": 0, "delta": delta, "finish_reason": None}])

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        none = {"usage": None} if self._with_usage else {}
        chunk = {**self._head, "object": "chat.completion.chunk", "choices": choices}
        return _frame({**chunk, **none, **more})


def _frame(data: dict[str, Any]) -> bytes:
    return format_sse_event(data_str=json.dumps(data))


def _usage(answered: Answered) -> dict[str, int]:
    """Tokens of all inner calls together."""
    prompt, completion = answered.prompt_tokens, answered.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _end(answered: Answered) -> str:
    return "stop" if answered.outcome.decided else "length"
