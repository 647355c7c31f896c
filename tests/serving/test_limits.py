"""Budgets, places, patience, and what happens when a client leaves."""

import asyncio
import json
import socket
import time
from typing import Any

import aiohttp
import pytest

import serving.server
import serving.work
from agents.budget import Limits
from agents.questions.desk import Manner
from serving.service import Terms
from tests.engines.fault_server import serving as fault_serving
from tests.serving.material import Running, chat, process, raw
from tests.serving.material import serving as running

LONG = "What is 123456 * 654321?"


async def ask(url: str, **body: Any) -> tuple[int, dict[str, Any]]:
    """Status and JSON of a chat."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v1/chat/completions", json=body) as response,
    ):
        return response.status, await response.json()


async def settled(condition: Any, seconds: float = 20.0) -> None:
    """Wait until something is so; fail when it does not come to be."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ({"budget_tokens": 1}, 402, "token budget reached"),
        ({"budget_seconds": 0.15}, 402, "time budget reached: 0.15 s"),
        ({"max_calls": 5}, 422, "used up its 5 answers"),
    ],
)
async def test_a_spent_budget_is_a_clear_error(
    options: dict[str, Any], status: int, words: str
) -> None:
    async with running("sim:latency_ms=50") as server:
        got, body = await ask(server.url, **chat(LONG, "reason-recursive", reason=options))
        assert got == status
        assert words in body["error"]["message"]
        begun = server.engine.begun
        assert begun == server.engine.ended + server.engine.cancelled  # nothing goes on unseen


async def test_dollars_are_a_budget_where_prices_are_known() -> None:
    async with running() as server:
        server.engine.price = (1e6, 1e6)  # a dollar a token
        got, body = await ask(
            server.url, **chat(LONG, "reason-recursive", reason={"budget_usd": 5.0})
        )
        assert (got, body["error"]["code"]) == (402, "budget_reached")
        server.engine.price = None
        got, body = await ask(server.url, **chat(reason={"budget_usd": 5.0}))
        assert got == 400
        assert "price of a model is unknown" in body["error"]["message"]


async def test_a_request_may_lower_the_servers_budgets_but_not_raise_them() -> None:
    terms = Terms(Manner(max_calls=50), Limits(tokens=500, seconds=60.0))
    async with running(terms=terms) as server:
        for name, most in (("budget_tokens", 500), ("budget_seconds", 60), ("max_calls", 50)):
            got, body = await ask(server.url, **chat(reason={name: most + 1}))
            assert (got, body["error"]["param"]) == (400, f"reason.{name}")
            assert (await ask(server.url, **chat(reason={name: most})))[0] == 200
        got, body = await ask(server.url, **chat(LONG, "reason-recursive"))
        assert (got, body["error"]["code"]) == (402, "budget_reached")


async def test_a_limit_of_votes_that_cannot_decide_is_refused_not_raised() -> None:
    async with running(terms=Terms(Manner(k=4, max_votes=4))) as server:
        got, body = await ask(server.url, **chat(reason={"max_votes": 2}))
        assert (got, body["error"]["param"]) == (400, "reason.max_votes")
        assert "cannot decide a vote with k 4" in body["error"]["message"]
        assert (await ask(server.url, **chat(reason={"k": 2, "max_votes": 2})))[0] == 200
        assert (await ask(server.url, **chat(reason={"k": 6})))[0] == 200


async def test_an_undecided_answer_is_given_and_marked() -> None:
    async with running("sim:error=0.5") as server:
        body = chat(reason={"k": 3, "max_votes": 3, "kind": "number"})
        got, answer = await ask(server.url, **body)
        assert got == 200
        assert answer["choices"][0]["finish_reason"] == "length"
        assert answer["choices"][0]["message"]["content"].isdigit()
        assert answer["reason"]["decided"] is False


async def test_a_full_server_says_so_at_once_and_serves_the_others() -> None:
    async with running("sim:latency_ms=300", at_once=2, queue=3) as server:
        asks = [asyncio.create_task(ask(server.url, **chat(stream=False))) for _ in range(5)]
        await settled(lambda: server.service.gate.admitted_now == 5)
        assert server.service.gate.working == 2
        async with aiohttp.ClientSession(server.url) as session:
            for body in (chat(), chat(stream=True)):
                async with session.post("/v1/chat/completions", json=body) as response:
                    assert response.status == 503
                    assert int(response.headers["Retry-After"]) >= 1
                    assert (await response.json())["error"]["code"] == "overloaded"
            async with session.get("/health") as alive:
                assert alive.status == 200
        assert [status for status, _ in await asyncio.gather(*asks)] == [200] * 5
        assert server.service.gate.admitted_now == server.service.gate.working == 0


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_stops_its_calls(path: str, stream: bool) -> None:
    async with running("sim:latency_ms=60000") as server:
        body = chat(LONG, "reason-recursive", stream=stream)
        if path == "/v1/responses":
            body["input"] = body.pop("messages")
        data = json.dumps(body)
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        _, writer = await asyncio.open_connection(*_address(server))
        writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n{data}".encode())
        await settled(lambda: server.engine.begun == 1)
        writer.close()
        async with asyncio.timeout(1):  # the promise itself, not how long a test may take
            while server.engine.cancelled < 1:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await settled(lambda: server.service.gate.admitted_now == 0)
        assert (server.engine.begun, server.engine.ended) == (1, 0)


async def test_a_client_that_leaves_the_line_never_costs_a_call() -> None:
    async with running("sim:latency_ms=60000", at_once=1) as server:
        first = asyncio.create_task(ask(server.url, **chat()))
        await settled(lambda: server.engine.begun == 1)
        second = asyncio.create_task(ask(server.url, **chat(stream=True)))
        await settled(lambda: server.service.gate.waiting == 1)
        for task in (second, first):
            task.cancel()
        await settled(lambda: server.service.gate.admitted_now == 0)
        await asyncio.gather(first, second, return_exceptions=True)
        assert (server.engine.begun, server.engine.cancelled) == (1, 1)


async def test_leaving_reaches_the_model_server_behind() -> None:
    """Client, ``reason serve`` and a model's server, each over HTTP: one leaves, all let go."""
    async with fault_serving(str, *["stall"] * 9) as models:
        with process("--model", f"{models.url}#m") as (url, _):
            task = asyncio.create_task(ask(url, **chat(stream=True)))
            await settled(lambda: models.in_flight >= 1, 60)
            task.cancel()
            await settled(lambda: models.in_flight == 0 and models.cancelled >= 1)
            await asyncio.gather(task, return_exceptions=True)


async def test_a_silent_stream_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.work, "SILENCE", 0.05)
    async with running("sim:latency_ms=300") as server, aiohttp.ClientSession() as session:
        url = f"{server.url}/v1/chat/completions"
        async with session.post(url, json=chat(stream=True)) as response:
            text = await response.text()
    assert text.count(": ping\n\n") >= 2
    assert text.endswith("data: [DONE]\n\n")


async def test_a_client_that_reads_slowly_holds_no_place() -> None:
    """Its question ends, whether it reads or not; the next one is served."""
    async with running(at_once=1) as server:
        data = json.dumps(chat(LONG, "reason-recursive", stream=True))
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        slow = socket.create_connection(_address(server))
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        head = f"{head}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        slow.sendall(f"{head}{data}".encode())
        await settled(lambda: server.engine.begun > 0)
        assert (await ask(server.url, **chat()))[0] == 200
        slow.close()


async def test_a_body_that_does_not_come_is_given_up() -> None:
    async with running(terms=Terms(body_seconds=0.2)) as server:
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        data = (
            f'{head}Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{{"model'.encode()
        )
        answer = await asyncio.to_thread(raw, server.url, data)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]


@pytest.mark.parametrize("sent", [b"", b"GET /health HT"])
async def test_a_head_that_does_not_come_is_given_up(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.server, "HEAD_SECONDS", 0.2)
    async with running() as server:
        answer = await asyncio.to_thread(raw, server.url, sent)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]


async def test_the_patience_for_heads_is_not_spent_by_a_long_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serving.server, "HEAD_SECONDS", 0.3)
    async with running("sim:latency_ms=700") as server:
        start = time.monotonic()
        assert (await ask(server.url, **chat()))[0] == 200
        assert time.monotonic() - start > 0.6  # it did take longer than the patience


def _address(server: Running) -> tuple[str, int]:
    host, port = server.url.removeprefix("http://").split(":")
    return host, int(port)
