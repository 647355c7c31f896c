"""``/v1/responses``: the same questions in the newer of OpenAI's two forms, text alone.

Nothing is stored, so a response cannot be fetched again or gone on with.
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
from serving.chat import GONE
from serving.errors import QUESTION_RESPONSES, of_any
from serving.requests import ResponsesRequest
from serving.service import Job, Service
from serving.words import account, final_words
from serving.work import ClientGone, EventStream, answer_waiting, progress


def responses_router(service: Service) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["openai"])

    @router.post("/v1/responses", responses=QUESTION_RESPONSES, response_model=None)
    async def respond(request: Request, body: ResponsesRequest) -> Response:
        """Answer the input."""
        job = service.take(body.model, body.question, body.options(body.max_output_tokens))
        form = _Form(job, body)
        if body.stream:
            return EventStream(_events(service, job, form), service.gate)
        try:
            answered = await answer_waiting(service, job, request.receive)
        except ClientGone:
            return Response(status_code=GONE)
        return JSONResponse(form.ended(answered))

    return router


class _Form:
    """The JSON of one response, and its events, numbered."""

    def __init__(self, job: Job, body: ResponsesRequest) -> None:
        self._item_id, self._sent = f"msg_{job.question.id}", 0
        self._head = {
            "id": f"resp_{job.question.id}",
            "object": "response",
            "created_at": int(time.time()),
            "model": body.model,
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "parallel_tool_calls": False,
            "tool_choice": "none",
            "tools": [],
            "store": False,
            "error": None,
            "incomplete_details": None,
        }

    def begun(self) -> dict[str, Any]:
        """The response while it is worked on."""
        return {**self._head, "status": "in_progress", "output": [], "usage": None}

    def ended(self, answered: Answered) -> dict[str, Any]:
        """The response with its answer."""
        decided = answered.outcome.decided
        return {
            **self._head,
            "status": "completed" if decided else "incomplete",
            "incomplete_details": None if decided else {"reason": "max_output_tokens"},
            "output": [self.item(final_words(answered), "completed" if decided else "incomplete")],
            "usage": _usage(answered),
            "reason": account(answered),
        }

    def item(self, text: str | None, status: str) -> dict[str, Any]:
        """The message that holds the answer."""
        content = [] if text is None else [_part(text)]
        head = {"id": self._item_id, "type": "message", "role": "assistant"}
        return {**head, "status": status, "content": content}

    def event(self, kind: str, **fields: Any) -> bytes:
        """One event."""
        data = {"type": kind, "sequence_number": self._sent, **fields}
        self._sent += 1
        return format_sse_event(event=kind, data_str=json.dumps(data))

    def at(self) -> dict[str, Any]:
        """Where in the response a piece of text belongs."""
        return {"item_id": self._item_id, "output_index": 0, "content_index": 0}


async def _events(service: Service, job: Job, form: _Form) -> AsyncGenerator[bytes, None]:
    yield form.event("response.created", response=form.begun())
    yield form.event("response.in_progress", response=form.begun())
    try:
        async with aclosing(progress(service, job)) as all_news:
            async for news in all_news:
                if isinstance(news, Answered):
                    for event in _answer_events(form, form.ended(news)):
                        yield event
                else:
                    yield KEEPALIVE_COMMENT
    except Exception as error:
        detail = of_any(error).body["error"]
        told = {"message": detail["message"], "code": detail["code"], "param": detail["param"]}
        yield form.event("error", **told)


def _answer_events(form: _Form, ended: dict[str, Any]) -> list[bytes]:
    (item,) = ended["output"]
    (part,) = item["content"]
    text, at = part["text"], form.at()
    begun, empty = form.item(None, "in_progress"), _part("")
    return [
        form.event("response.output_item.added", output_index=0, item=begun),
        form.event("response.content_part.added", **at, part=empty),
        form.event("response.output_text.delta", **at, delta=text, logprobs=[]),
        form.event("response.output_text.done", **at, text=text, logprobs=[]),
        form.event("response.content_part.done", **at, part=part),
        form.event("response.output_item.done", output_index=0, item=item),
        form.event(f"response.{ended['status']}", response=ended),
    ]


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(answered: Answered) -> dict[str, Any]:
    prompt, completion = answered.prompt_tokens, answered.completion_tokens
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt + completion,
    }
