"""A real OpenAI-compatible server on loopback that misbehaves as it is told, then answers.

Each request takes the next fault of the script; once the script is used up, all are answered.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Answer = Callable[[str], str]


class FaultServer:
    """What the server was told to do and what it saw.

    Attributes:
        faults: names of faults for the coming requests; see ``_misbehave``.
        bodies: the JSON of every request.
        cancelled: requests whose client went away.
    """

    def __init__(self, answer: Answer, *faults: str) -> None:
        self.answer, self.faults = answer, list(faults)
        self.bodies: list[dict[str, Any]] = []
        self.in_flight = self.most_in_flight = self.cancelled = 0
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One completion or chat completion."""
        body = await request.json()
        self.bodies.append(body)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._respond(request, body)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= 1

    async def _respond(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        fault = self.faults.pop(0) if self.faults else ""
        good = self._good(body)
        if fault in ("reset", "stall"):
            await self._hold(request, fault)
        if fault.isdigit() or "=" in fault:
            return _refusal(fault)
        if fault == "truncated":
            return web.Response(text=json.dumps(good)[:40], content_type="application/json")
        if fault == "html":
            return web.Response(text="<html>busy</html>", content_type="text/html")
        if fault == "no_n" and body.get("n", 1) > 1:
            return _error(400, "unsupported_value", "this server does not support 'n'")
        if fault == "no_form" and "response_format" in body:
            return _error(400, "unsupported", "response_format json_schema is not supported")
        if fault == "cap" and "max_tokens" in body:
            return _error(400, "bad", "use 'max_completion_tokens' in place of 'max_tokens'")
        return web.json_response(_damaged(good, fault))

    async def _hold(self, request: web.Request, fault: str) -> None:
        if fault == "stall":
            await asyncio.sleep(3600)
        assert request.transport is not None
        request.transport.abort()

    def _good(self, body: dict[str, Any]) -> dict[str, Any]:
        chat = "messages" in body
        prompt = body["messages"][-1]["content"] if chat else body["prompt"]
        choices = []
        for index in range(body.get("n", 1)):
            text = f"{self.answer(prompt)}"
            content = (
                {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
            )
            choices.append({"index": index, "finish_reason": "stop", **content})
        usage = {"prompt_tokens": 7, "completion_tokens": 5 * len(choices)}
        return {"id": "1", "object": "x", "model": "m", "choices": choices, "usage": usage}


def _refusal(fault: str) -> web.Response:
    """``429``, ``429=insufficient_quota`` or ``429=after:0.05``."""
    status, _, detail = fault.partition("=")
    headers = {}
    if detail.startswith("after:"):
        headers["Retry-After"] = detail.removeprefix("after:")
    return _error(int(status), detail or "busy", f"{detail or 'try later'}", headers)


def _error(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    error = {"error": {"code": code, "message": message}}
    return web.json_response(error, status=status, headers=headers)


def _damaged(good: dict[str, Any], fault: str) -> Any:
    choices = good["choices"]
    damages: dict[str, Any] = {
        "empty": {**good, "choices": []},
        "null": {**good, "choices": [{"index": 0, "text": None, "message": {"content": None}}]},
        "list": ["not", "an", "object"],
        "fewer": {**good, "choices": choices[:1]},
        "duplicated": {**good, "choices": [*choices, *choices]},
        "shuffled": {**good, "choices": choices[::-1]},
        "no_usage": {**good, "usage": None},
        "length": {**good, "choices": [{**choices[0], "finish_reason": "length"}]},
    }
    return damages.get(fault, good)


@asynccontextmanager
async def serving(answer: Answer, *faults: str) -> AsyncIterator[FaultServer]:
    """A running server; ``url`` is its base URL."""
    server = FaultServer(answer, *faults)
    app = web.Application()
    app.router.add_post("/v1/completions", server.handle)
    app.router.add_post("/v1/chat/completions", server.handle)
    # Handlers notice a client that leaves, as the real servers do.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"http://127.0.0.1:{port}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()
