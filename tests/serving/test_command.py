"""``reason serve`` as a command: what it refuses, how it starts, counts, and stops."""

import asyncio
import contextlib
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

import aiohttp
import openai
import pytest

from tests.engines.fault_server import serving as fault_serving
from tests.reason.command import reason
from tests.serving.material import QUESTION, chat, process, samples, serving
from tests.serving.test_limits import ask


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-m", "sim", "--host", "0.0.0.0"], "open to others"),
        (["-m", "sim", "--api-key-file", "empty"], "holds no key"),
        (["-m", "sim", "--api-key-file", "short"], "key 2 of short must be 8 or more"),
        (["-m", "sim", "--kind", "poem"], "--kind must be one of"),
        (["-m", "http://127.0.0.1:9/v1#m", "--budget-usd", "1"], "price of a model is unknown"),
    ],
)
def test_a_bad_command_is_one_line(arguments: list[str], words: str) -> None:
    Path("empty").write_text("# nothing\n\n")
    Path("short").write_text("long-enough\nshort\n")
    outcome = reason("serve", *arguments)
    assert outcome.code == 2
    assert words in outcome.complaint


def test_a_taken_port_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        outcome = reason("serve", "-m", "sim", "--port", str(taken.getsockname()[1]))
    assert outcome.code == 2
    assert "cannot listen" in outcome.complaint


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order(number: signal.Signals) -> None:
    with process("--model", "sim") as (url, child):
        with openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:
            client.chat.completions.create(
                model="reason-vote", messages=[{"role": "user", "content": QUESTION}]
            )
        child.send_signal(number)
        assert child.wait(30) == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_second_signal_gives_up_what_is_under_way_and_says_so(stream: bool) -> None:
    with process("--model", "sim:latency_ms=60000") as (url, child):
        async with aiohttp.ClientSession(url) as session:
            asked = asyncio.create_task(
                session.post("/v1/chat/completions", json=chat(stream=stream))
            )
            while "reason_questions_in_flight 1.0" not in await fetch(f"{url}/metrics"):
                pass
            child.send_signal(signal.SIGTERM)
            with contextlib.suppress(aiohttp.ClientError):
                while True:  # until it listens no more
                    await fetch(f"{url}/health")
            child.send_signal(signal.SIGTERM)
            async with await asked as response:
                assert response.status == (200 if stream else 503)
                assert "the server is stopping" in await response.text()
        assert await asyncio.to_thread(child.wait, 30) == 0


def test_keys_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REASON_API_KEYS", "first-key-here,second-key-here")
    with process("--model", "sim", "--host", "0.0.0.0") as (url, _):
        here = f"http://127.0.0.1:{url.rsplit(':', 1)[1]}/v1/models"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(here)
        with refused.value:
            assert refused.value.code == 401
        keyed = urllib.request.Request(here, headers={"Authorization": "Bearer second-key-here"})
        with urllib.request.urlopen(keyed) as response:
            assert response.status == 200


def test_it_lives_but_is_not_ready_while_a_model_is_away() -> None:
    with process("-m", "sim", "--decomposer", "http://127.0.0.1:9/v1#m") as (url, _):
        with urllib.request.urlopen(f"{url}/health") as response:
            assert response.status == 200
        with pytest.raises(urllib.error.HTTPError) as away:
            urllib.request.urlopen(f"{url}/ready")
        with away.value as answer:
            assert answer.code == 503
            assert answer.read() == b'{"status":"not ready","failing":["decomposer","judge"]}'


async def test_what_happens_is_counted() -> None:
    async with serving("sim:flag=0.3") as server:
        server.engine.price = (1.0, 2.0)
        for _ in range(3):
            assert (await ask(server.url, **chat(reason={"k": 3})))[0] == 200
        assert (await ask(server.url, **chat("Why?", "reason-direct")))[0] == 422
        assert (await ask(server.url, **chat(model="nothing")))[0] == 404
        counts = samples(await fetch(f"{server.url}/metrics"))
    assert counts['reason_requests_total{route="/v1/chat/completions",status="200"}'] == 3
    assert counts['reason_requests_total{route="/v1/chat/completions",status="404"}'] == 1
    assert counts['reason_questions_total{outcome="answered",strategy="vote"}'] == 3
    assert counts['reason_questions_total{outcome="no_answer",strategy="direct"}'] == 1
    assert counts['reason_votes_total{strategy="vote"}'] == 9
    assert counts['reason_votes_per_question_count{strategy="vote"}'] == 3
    assert counts['reason_red_flags_total{strategy="direct"}'] == 1
    assert counts['reason_undecided_total{strategy="direct"}'] == 1
    assert counts["reason_questions_in_flight"] == 0
    model = f'model="{server.engine.model}"'
    read = counts[f'reason_tokens_total{{direction="prompt",{model}}}']
    written = counts[f'reason_tokens_total{{direction="completion",{model}}}']
    assert counts[f"reason_cost_usd_total{{{model}}}"] == pytest.approx((read + 2 * written) / 1e6)


async def test_faults_of_models_are_tried_again_and_counted() -> None:
    async with fault_serving(lambda prompt: "Answer: 144", "503", "429=after:0") as models:
        with process("--model", f"{models.url}#m") as (url, _):
            got, body = await ask(url, **chat(model="reason-direct"))
            assert (got, body["choices"][0]["message"]["content"]) == (200, "144")
            counts = samples(await fetch(f"{url}/metrics"))
    assert counts['reason_retries_total{model="m"}'] == 2


async def test_a_model_that_fails_for_good_is_a_502_not_worth_repeating() -> None:
    async with fault_serving(str, *["401"] * 5) as models:
        with process("--model", f"{models.url}#m") as (url, _):
            async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
                with pytest.raises(openai.InternalServerError) as failed:
                    await client.chat.completions.create(
                        model="reason-direct", messages=[{"role": "user", "content": QUESTION}]
                    )
    assert failed.value.status_code == 502
    assert failed.value.code == "engine_error"
    assert len(models.bodies) == 1


async def fetch(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.text()


@pytest.mark.real_model
def test_without_a_model_the_embedded_ones_are_served() -> None:
    with process() as (url, _), openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        names = [model.id for model in client.models.list()]
        assert names == ["reason-direct", "reason-vote", "reason-daslam"]
        problem = "Mia has 12 pens. She buys 5. She loses 8. She doubles them. How many now?"
        asked = [{"role": "user", "content": problem}]
        done = client.chat.completions.create(
            model="reason-daslam",
            messages=asked,  # type: ignore[arg-type]
            extra_body={"reason": {"temperature": 0.0}},
        )
        assert done.choices[0].message.content == "18"
        with pytest.raises(openai.BadRequestError, match="chain arithmetic alone"):
            client.chat.completions.create(
                model="reason-vote", messages=[{"role": "user", "content": "Why?"}]
            )
