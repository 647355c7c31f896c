"""``/v1/responses``: the same questions in the newer of OpenAI's two forms, text alone.

Nothing is stored, so a response cannot be fetched again or gone on with.
"""

import json
import time
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from agents.questions.answering import Answered
from agents.questions.desk import Call
from serving.errors import QUESTION_RESPONSES
from serving.replies import reply
from serving.requests import ResponsesRequest
from serving.service import Job, Service
from serving.words import account, final_words


def responses_router(service: Service) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["openai"])

    @router.post("/v1/responses", responses=QUESTION_RESPONSES, response_model=None)
    async def respond(request: Request, body: ResponsesRequest) -> Response:
        """Answer the input."""
        job = service.take(body.model, body.question, body.options(body.max_output_tokens))
        return await reply(service, request, job, _Form(job, body), bool(body.stream))

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

    def whole(self, answered: Answered) -> dict[str, Any]:
        """The response with its answer."""
        decided = answered.outcome.decided
        return {
            **self._head,
            "status": "completed" if decided else "incomplete",
            "incomplete_details": None if decided else {"reason": "max_output_tokens"},
            "output": [self._item(final_words(answered), "completed" if decided else "incomplete")],
            "usage": _usage(answered),
            "reason": account(answered),
        }

    def opening(self) -> list[bytes]:
        """The response while it is worked on."""
        begun = {**self._head, "status": "in_progress", "output": [], "usage": None}
        kinds = ("response.created", "response.in_progress")
        return [self._event(kind, response=begun) for kind in kinds]

    def call(self, call: Call) -> bytes:
        """Nothing but a sign of life: this form has no event for it."""
        return KEEPALIVE_COMMENT

    def ending(self, answered: Answered) -> list[bytes]:
        """The answer, wrapped as this form wants it, and the response that holds it."""
        whole, event = self.whole(answered), self._event
        (item,) = whole["output"]
        (part,) = item["content"]
        begun, text = self._item(None, "in_progress"), part["text"]
        at = {"item_id": self._item_id, "output_index": 0, "content_index": 0}
        return [
            event("response.output_item.added", output_index=0, item=begun),
            event("response.content_part.added", **at, part=_part("")),
            event("response.output_text.delta", **at, delta=text, logprobs=[]),
            event("response.output_text.done", **at, text=text, logprobs=[]),
            event("response.content_part.done", **at, part=part),
            event("response.output_item.done", output_index=0, item=item),
            event(f"response.{whole['status']}", response=whole),
        ]

    def failure(self, error: dict[str, Any]) -> bytes:
        """An error as OpenAI's client reads it out of a stream."""
        told = {name: error[name] for name in ("message", "code", "param")}
        return self._event("error", **told)

    def closing(self) -> list[bytes]:
        """Nothing: the last event says that it is the last."""
        return []

    def _item(self, text: str | None, status: str) -> dict[str, Any]:
        content = [] if text is None else [_part(text)]
        head = {"id": self._item_id, "type": "message", "role": "assistant"}
        return {**head, "status": status, "content": content}

    def _event(self, kind: str, **fields: Any) -> bytes:
        data = {"type": kind, "sequence_number": self._sent, **fields}
        self._sent += 1
        return format_sse_event(event=kind, data_str=json.dumps(data))


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
