"""Errors as OpenAI's clients know them: ``{"error": {"message", "type", "param", "code"}}``.

Every failure leaves by one of the handlers below, so no route words an error of its own, and what a
client sent never comes back in a form that cannot be encoded.
"""

import difflib
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from reason.errors import BudgetReached, EngineError, NoConvergence, ReasonError, UsageError
from serving.options import ReasonOptions

log = logging.getLogger("reason.serving")

LONGEST = 500  # characters of a message


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """The body of every response that is not a success."""

    error: ErrorDetail


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": text}
    for status, text in {
        400: "The request cannot be carried out as written.",
        401: "The API key is missing or wrong.",
        402: "A budget of the question is spent.",
        404: "There is no such model.",
        408: "The request came in too slowly.",
        413: "The request is too large.",
        422: "The question has no answer.",
        502: "A model behind the server failed.",
        503: "The server is full; try again later.",
    }.items()
}
"""The error responses of the routes, for the OpenAPI schema."""

RUN_RESPONSES: dict[int | str, dict[str, Any]] = {
    **{status: RESPONSES[status] for status in (400, 401, 408, 413, 503)},
    403: {"model": ErrorBody, "description": "Another site's page asks for a change."},
    404: {"model": ErrorBody, "description": "There is no such run, step or question."},
    409: {"model": ErrorBody, "description": "The run's state or files do not allow it."},
    422: {"model": ErrorBody, "description": "The description makes no sense."},
}
"""The error responses of the runs API, for the OpenAPI schema."""

STREAM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": response["description"],
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}},
    }
    for status, response in RUN_RESPONSES.items()
}
"""The same where success is a stream: its errors are JSON all the same."""

_EVENT = {
    "type": "object",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
}

QUESTION_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer, whole or as server-sent events.",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/event-stream": {"schema": _EVENT},
        },
    },
    **RESPONSES,
}
"""The responses of the routes that take questions."""


class ApiError(Exception):
    """An error with its HTTP status."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})
        text = message.encode("utf-8", "replace").decode()  # half a surrogate pair has no encoding
        where = param.encode("utf-8", "replace").decode() if param else None
        detail = ErrorDetail(message=text[:LONGEST], type=kind, param=where, code=code)
        self.body = ErrorBody(error=detail).model_dump()

    def response(self) -> JSONResponse:
        """The HTTP response."""
        return JSONResponse(self.body, self.status, self.headers)


def told(error: ReasonError) -> ApiError:
    """The API's form of an error of this project."""
    said = str(error)
    if isinstance(error, UsageError):
        return ApiError(400, said)
    if isinstance(error, BudgetReached):
        return ApiError(402, said, kind="budget_error", code="budget_reached")
    if isinstance(error, NoConvergence):
        return ApiError(422, said, kind="no_answer_error", code="no_answer")
    if isinstance(error, EngineError):
        # The engines have tried again already: a client that repeats the whole question wastes it.
        once = {"x-should-retry": "false"}
        return ApiError(502, said, kind="engine_error", code="engine_error", headers=once)
    return ApiError(500, said, kind="server_error")


def of_any(error: Exception) -> ApiError:
    """The form of whatever went wrong; what nobody foresaw goes to the log, and no further."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, ReasonError):
        return told(error)
    log.error("internal error", exc_info=error)
    return ApiError(500, "internal error; the server's log says more", kind="server_error")


def refused(error: RequestValidationError) -> ApiError:
    """A body that is not JSON, or not of the right form: its first fault."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"] if part != "body"]
    if first["type"] == "json_invalid":
        return ApiError(
            400, f"the body is not valid JSON: {first['ctx']['error']}", code="bad_json"
        )
    param = ".".join(path) or None
    if first["type"] == "missing" and not path:
        return ApiError(400, "the body is missing: send a JSON object")
    if first["type"] in ("model_attributes_type", "dict_type") and not path:
        return ApiError(400, "the body must be a JSON object, sent as application/json")
    if first["type"] == "extra_forbidden":
        return ApiError(400, _unknown(path), param=param, code="unknown_option")
    said = first["msg"].removeprefix("Value error, ")
    return ApiError(400, f"{param}: {said}" if param else said, param=param)


def _unknown(path: list[str]) -> str:
    if path[0] != "reason":
        return f"{'.'.join(path)}: unknown option"
    known = list(ReasonOptions.model_fields)
    near = difflib.get_close_matches(path[-1], known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return f"{'.'.join(path)}: unknown option; {hint}"


def add_handlers(app: FastAPI) -> None:
    """Let every failure of the application leave in this form."""

    @app.exception_handler(ApiError)
    async def api(request: Request, error: ApiError) -> JSONResponse:
        return error.response()

    @app.exception_handler(ReasonError)
    async def reason(request: Request, error: ReasonError) -> JSONResponse:
        return told(error).response()

    @app.exception_handler(RequestValidationError)
    async def form(request: Request, error: RequestValidationError) -> JSONResponse:
        return refused(error).response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        nothing = error.detail == HTTPStatus.NOT_FOUND.phrase  # said by the router, not by a route
        said = "there is nothing at this path" if nothing else str(error.detail)
        return ApiError(error.status_code, said, headers=error.headers).response()

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> JSONResponse:
        return of_any(error).response()
