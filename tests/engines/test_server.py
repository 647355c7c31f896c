"""Server engines, over both transports, against a server that fails in every way servers do."""

import asyncio
import pickle
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import reason
from engines.base import Engine, Form, Request
from engines.options import EngineOptions
from engines.protocol import retry_after
from engines.server import ServerEngine
from engines.spec import open_engine
from reason.errors import EngineError, TerminalEngineError
from tasks.hanoi.rehearsal import rehearse
from tests.engines.fault_server import FaultServer, serving

ASK = Request("question", 20, (0.0, 0.1, 0.1), stop=("\n",))


@pytest.fixture(autouse=True, params=["sdk", "lean"])
def _transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs over the openai client and over plain aiohttp."""
    monkeypatch.setitem(TRANSPORT, "lean", request.param == "lean")


TRANSPORT = {"lean": False}


@asynccontextmanager
async def engine_of(
    server: FaultServer, *, patience: float = 5.0, concurrency: int = 16
) -> AsyncIterator[Engine]:
    options = EngineOptions(
        concurrency=concurrency, timeout=patience, retries=3, backoff=0.001, lean=TRANSPORT["lean"]
    )
    engine = open_engine(f"{server.url}#m", options)
    try:
        yield engine
    finally:
        await engine.close()


async def until(reached: Callable[[], bool]) -> None:
    """Wait, for at most five seconds, until something has happened."""
    for _ in range(500):
        if reached():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never happened")


class Counter:
    """Answers 0, 1, 2, ... so that no two samples are the same text."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, prompt: str) -> str:
        self.asked += 1
        return f"answer {self.asked}"


async def test_equal_temperatures_share_a_request() -> None:
    async with serving(Counter()) as server, engine_of(server) as engine:
        samples = await engine.sample(ASK)
    assert len({sample.text for sample in samples}) == 3
    assert sorted(body.get("n", 1) for body in server.bodies) == [1, 2]
    assert {body["temperature"] for body in server.bodies} == {0.0, 0.1}
    assert all(body["max_tokens"] == 20 and body["stop"] == ["\n"] for body in server.bodies)
    assert [sample.prompt_tokens for sample in samples] == [7, 7, 0]
    assert sum(sample.completion_tokens for sample in samples) == 15


async def test_messages_go_to_the_chat_endpoint() -> None:
    request = Request([{"role": "user", "content": "hi"}], 9, (0.5,))
    async with serving(lambda prompt: f"{prompt}!") as server, engine_of(server) as engine:
        (sample,) = await engine.sample(request)
    assert sample.text == "hi!"
    assert sample.finish == "stop"


@pytest.mark.parametrize(
    "fault",
    [
        *("500", "503", "429", "408", "429=after:0.01", "reset", "truncated", "html"),
        *("empty", "null", "list"),
    ],
)
async def test_passing_faults_are_retried(fault: str) -> None:
    async with serving(Counter(), fault, fault) as server, engine_of(server) as engine:
        samples = await engine.sample(ASK._replace(temperatures=(0.0,)))
    assert [sample.finish for sample in samples] == ["stop"]
    assert len(server.bodies) == 3


async def test_a_stalled_server_is_given_up_and_asked_again() -> None:
    async with serving(Counter(), "stall") as server, engine_of(server, patience=0.2) as engine:
        await engine.sample(ASK._replace(temperatures=(0.0,)))
    assert len(server.bodies) == 2


async def test_retries_are_bounded() -> None:
    async with serving(Counter(), *["500"] * 50) as server, engine_of(server) as engine:
        with pytest.raises(EngineError, match=r"answered 500.*after 4 attempts"):
            await engine.sample(ASK._replace(temperatures=(0.0,)))
    assert len(server.bodies) == 4


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("401", "check the API key"),
        ("403", "check the API key"),
        ("404", "no model 'm'"),
        ("422", "refuses the request"),
        ("429=insufficient_quota", "quota"),
        ("402=billing hard limit reached", "quota"),
    ],
)
async def test_faults_that_will_not_pass_stop_at_once(fault: str, complaint: str) -> None:
    async with serving(Counter(), fault) as server, engine_of(server) as engine:
        with pytest.raises(TerminalEngineError, match=complaint) as caught:
            await engine.sample(ASK._replace(temperatures=(0.0,)))
    assert len(server.bodies) == 1
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fault", ["fewer", "duplicated", "shuffled", "no_n"])
async def test_odd_choices_still_give_exactly_the_samples_asked_for(fault: str) -> None:
    request = ASK._replace(temperatures=(0.1, 0.1, 0.1))
    async with serving(Counter(), fault) as server, engine_of(server) as engine:
        samples = await engine.sample(request)
        again = await engine.sample(request)
    texts = [sample.text for sample in (*samples, *again)]
    assert len(set(texts)) == 6, "every vote is a draw of its own"


async def test_a_server_without_n_is_asked_one_by_one_from_then_on() -> None:
    request = ASK._replace(temperatures=(0.1, 0.1))
    async with serving(Counter(), "no_n") as server, engine_of(server) as engine:
        await engine.sample(request)
        await engine.sample(request)
    assert [body.get("n", 1) for body in server.bodies] == [2, 1, 1, 1, 1]


async def test_the_newer_name_of_the_cap_is_found_out() -> None:
    async with serving(Counter(), "cap") as server, engine_of(server) as engine:
        await engine.sample(Request([{"role": "user", "content": "hi"}], 20, (0.0,)))
    assert "max_tokens" in server.bodies[0]
    assert server.bodies[1]["max_completion_tokens"] == 20


FORM = Form([{"role": "user", "content": "hi, as JSON"}], {"type": "object"})
FORMED = Request([{"role": "user", "content": "hi"}], 20, (0.0,), form=FORM)


async def test_a_form_is_asked_for_in_its_own_words() -> None:
    async with serving(lambda prompt: prompt) as server, engine_of(server) as engine:
        (sample,) = await engine.sample(FORMED)
    assert sample.text == "hi, as JSON"
    assert server.bodies[0]["response_format"]["json_schema"]["schema"] == FORM.schema


async def test_a_server_without_forms_is_asked_plainly_from_then_on() -> None:
    async with serving(lambda prompt: prompt, "no_form") as server, engine_of(server) as engine:
        samples = [*await engine.sample(FORMED), *await engine.sample(FORMED)]
    assert [sample.text for sample in samples] == ["hi", "hi"]
    assert ["response_format" in body for body in server.bodies] == [True, False, False]


async def test_a_refusal_for_another_reason_costs_no_form() -> None:
    async with serving(lambda prompt: prompt, "422", "422") as server, engine_of(server) as engine:
        with pytest.raises(TerminalEngineError, match="refuses the request"):
            await engine.sample(FORMED)
        (sample,) = await engine.sample(FORMED)
    assert sample.text == "hi, as JSON"


async def test_models_of_one_server_share_its_limit() -> None:
    options = EngineOptions(concurrency=3, lean=TRANSPORT["lean"])
    specs = ["http://127.0.0.1:1/v1#a", "http://127.0.0.1:1/v1#b", "http://127.0.0.1:2/v1#a"]
    models = [open_engine(spec, options) for spec in specs]
    one, two, other = (model.limiter for model in models if isinstance(model, ServerEngine))
    assert one is two
    assert other is not one
    there = pickle.loads(pickle.dumps(options.limiters))
    assert there.of("http://127.0.0.1:1/v1", 3) is not one
    for model in models:
        await model.close()


async def test_half_a_surrogate_pair_reaches_the_server() -> None:
    if not TRANSPORT["lean"]:
        pytest.skip("the openai client refuses such text")
    async with serving(lambda prompt: "ok") as server, engine_of(server) as engine:
        await engine.sample(ASK._replace(prompt="broken \ud800", temperatures=(0.0,)))
    assert server.bodies[0]["prompt"] == "broken \ud800"


async def test_missing_usage_is_estimated_and_length_is_told() -> None:
    async with serving(Counter(), "no_usage", "length") as server, engine_of(server) as engine:
        (first,) = await engine.sample(ASK._replace(temperatures=(0.0,)))
        (second,) = await engine.sample(ASK._replace(temperatures=(0.0,)))
    assert first.completion_tokens > 0
    assert (first.finish, second.finish) == ("stop", "length")


async def test_a_cancelled_call_leaves_the_server() -> None:
    async with serving(Counter(), "stall", "stall") as server, engine_of(server) as engine:
        call = asyncio.create_task(engine.sample(ASK))
        await until(lambda: server.in_flight == 2)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until(lambda: server.cancelled == 2)


async def test_requests_in_flight_are_limited() -> None:
    async with serving(Counter()) as server, engine_of(server, concurrency=3) as engine:
        one = ASK._replace(temperatures=(0.0,))
        await asyncio.gather(*(engine.sample(one) for _ in range(20)))
    assert server.most_in_flight <= 3


async def test_no_key_appears_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REASON_API_KEY", "sk-secret")
    async with serving(Counter(), "401") as server, engine_of(server) as engine:
        with pytest.raises(TerminalEngineError) as caught:
            await engine.sample(ASK)
    assert "sk-secret" not in str(caught.value)


async def test_a_whole_run_survives_a_faulty_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hanoi through every passing fault; the journal is that of a run without faults."""
    monkeypatch.setattr("engines.retry._wait", lambda *_: 0.001)
    faults = ["429", "500", "reset", "truncated", "empty", "duplicated", "html"]
    task = {"name": "hanoi", "disks": 5}
    async with serving(lambda prompt: rehearse(prompt).right, *faults) as server:
        model = [f"{server.url}#m"]
        summary = await reason.solve(task, tmp_path / "a", model=model, style="compact")
    plain = await reason.solve(task, tmp_path / "b", model=["sim"])
    assert summary.status == "solved"
    assert summary.hash == plain.hash


def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    assert retry_after({"retry-after": "2.5"}) == 2.5
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


async def test_throttling_lowers_the_limit_once_and_success_raises_it_again() -> None:
    faults = ["429"] * 6 + ["500"] * 4
    async with serving(Counter(), *faults) as server, engine_of(server, concurrency=10) as engine:
        assert isinstance(engine, ServerEngine)
        one = ASK._replace(temperatures=(0.0,))
        await asyncio.gather(*(engine.sample(one) for _ in range(6)))
        lowered = engine.limiter.limit
        assert 6 <= lowered < 10
        for _ in range(60):
            await engine.sample(one)
        assert engine.limiter.limit == 10
