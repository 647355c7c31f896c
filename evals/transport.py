"""Requests a second of each transport against one server, and of a bare aiohttp loop.

The server runs in a process of its own and answers at once with a fixed completion, so what is
compared is the client's own work.
"""

import asyncio
import json
import multiprocessing
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from time import perf_counter

import aiohttp
from aiohttp import web

from engines.base import Request
from engines.options import EngineOptions
from engines.protocol import body
from engines.spec import open_engine

CONCURRENCY = 32
REQUEST = Request("> 1 A B : 4 3 | 2 1 | =", 80, (0.1,), stop=("\n",))
ANSWER = {
    "model": "instant",
    "choices": [{"index": 0, "text": " 3 A C : 4 | 2 1 | 3", "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 11},
}


async def _serve(port: Connection) -> None:
    answer = json.dumps(ANSWER).encode()

    async def complete(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=answer, content_type="application/json")

    app = web.Application()
    app.router.add_post("/v1/completions", complete)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port.send(runner.addresses[0][1])
    await asyncio.Event().wait()


def _server(port: Connection) -> None:
    asyncio.run(_serve(port))


@contextmanager
def instant_server() -> Iterator[str]:
    """A server in a child process; gives its base URL."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=_server, args=(there,), daemon=True)
    child.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/v1"
    finally:
        child.terminate()
        child.join()


async def _rate(call: Callable[[], Awaitable[object]], count: int) -> float:
    """Calls a second at a fixed concurrency, after a short warm-up."""

    async def worker(calls: int) -> None:
        for _ in range(calls):
            await call()

    await asyncio.gather(*(worker(2) for _ in range(CONCURRENCY)))
    start = perf_counter()
    await asyncio.gather(*(worker(count // CONCURRENCY) for _ in range(CONCURRENCY)))
    return count // CONCURRENCY * CONCURRENCY / (perf_counter() - start)


async def bare_rate(url: str, count: int) -> float:
    """What aiohttp alone reaches, the answer read as JSON."""
    payload = json.dumps(body("instant", REQUEST, 0.1, 1)).encode()
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def call() -> object:
            async with session.post(f"{url}/completions", data=payload) as response:
                return json.loads(await response.read())

        return await _rate(call, count)


async def engine_rate(url: str, count: int, *, lean: bool) -> float:
    """What the product reaches over one of its transports."""
    options = EngineOptions(concurrency=CONCURRENCY, lean=lean)
    engine = open_engine(f"{url}#instant", options)
    try:
        return await _rate(lambda: engine.sample(REQUEST), count)
    finally:
        await engine.close()
