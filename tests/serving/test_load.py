"""A thousand clients at once, on a server process of its own."""

import asyncio
import resource

import aiohttp

from tests.serving.material import chat, process

CLIENTS = 1000
GROWTH = 200 * 2**20  # bytes; a thousand sockets and questions, generously


async def test_a_thousand_requests_at_once_all_succeed_in_bounded_memory() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with process("--model", "sim:error=0.05,latency_ms=20") as (url, _):
        await _ask(url, 20)  # what is loaded at first use is no growth
        before = await _memory(url)
        answers = await _ask(url, CLIENTS)
        grown = await _memory(url) - before
        assert [status for status, _ in answers] == [200] * CLIENTS
        assert {answer for _, answer in answers} == {"144"}
        assert grown < GROWTH


async def _memory(url: str) -> float:
    """Resident bytes of the server, by its own account."""
    async with aiohttp.ClientSession(url) as session, session.get("/metrics") as response:
        text = await response.text()
    return float(text.split("\nprocess_resident_memory_bytes ")[1].split()[0])


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
