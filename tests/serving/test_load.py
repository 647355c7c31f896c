"""A thousand clients at once, on a server process of its own."""

import asyncio
import resource

import aiohttp
import psutil

from tests.serving.material import chat, process

CLIENTS = 1000
GROWTH = 200 * 2**20  # bytes; a thousand sockets and questions, generously


async def test_a_thousand_requests_at_once_all_succeed_in_bounded_memory() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with process("--model", "sim:error=0.05,latency_ms=20") as (url, child):
        server = psutil.Process(child.pid)
        await _ask(url, 20)  # what is loaded at first use is no growth
        before = server.memory_info().rss
        answers = await _ask(url, CLIENTS)
        grown = server.memory_info().rss - before
        assert [status for status, _ in answers] == [200] * CLIENTS
        assert {answer for _, answer in answers} == {"144"}
        assert grown < GROWTH


async def _ask(url: str, clients: int) -> list[tuple[int, str]]:
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(url, connector=connector) as session:
        return await asyncio.gather(*(_one(session, at) for at in range(clients)))


async def _one(session: aiohttp.ClientSession, at: int) -> tuple[int, str]:
    body = chat(stream=at % 2 == 1, model="reason-vote", reason={"k": 4})
    async with session.post("/v1/chat/completions", json=body) as response:
        text = await response.text()
    if response.status != 200:
        return response.status, text
    if "data: [DONE]" in text:
        return 200, "144" if '"content": "144"' in text else text
    return 200, text.split('"content":"')[1].split('"')[0]
