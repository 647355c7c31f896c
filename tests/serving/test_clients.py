"""Clients as people use them, unmodified, against a real server process."""

import json
import shutil
import subprocess

import openai
import pytest
from langchain_openai import ChatOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response
from pydantic import SecretStr

from tests.serving.material import QUESTION, chat

STRATEGIES = ["direct", "vote", "recursive", "daslam", "auto"]
LONG = "What is 123456 * 654321?"


@pytest.fixture
def client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_is_a_model(client: openai.OpenAI, strategy: str) -> None:
    with client:
        assert f"reason-{strategy}" in [model.id for model in client.models.list()]
        assert client.models.retrieve(f"reason-{strategy}").object == "model"
        done = client.chat.completions.create(
            model=f"reason-{strategy}", messages=[{"role": "user", "content": QUESTION}]
        )
    ChatCompletion.model_validate(done.model_dump(), strict=False)
    assert done.choices[0].message.content == "144"
    assert done.choices[0].finish_reason == "stop"
    assert done.usage is not None
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens > 0


def test_options_go_in_extra_body_and_usage_sums_inner_calls(client: openai.OpenAI) -> None:
    with client:
        few, many = (
            client.chat.completions.create(
                model="reason-vote",
                messages=[{"role": "user", "content": QUESTION}],
                extra_body={"reason": {"k": k, "kind": "number", "max_votes": 100}},
            )
            for k in (1, 12)
        )
    assert few.model_extra is not None
    assert many.model_extra is not None
    assert few.model_extra["reason"]["calls"] < 12 <= many.model_extra["reason"]["calls"]
    assert few.usage is not None
    assert many.usage is not None
    assert few.usage.completion_tokens < many.usage.completion_tokens


def test_a_stream_tells_progress_and_then_the_answer(client: openai.OpenAI) -> None:
    with client:
        chunks = list(
            client.chat.completions.create(
                model="reason-recursive",
                messages=[{"role": "user", "content": LONG}],
                stream=True,
                stream_options={"include_usage": True},
                extra_body={"reason": {"k": 4}},
            )
        )
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.model_dump())
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    told = [bool((delta.model_extra or {}).get("reasoning_content")) for delta in deltas]
    said = [bool(delta.content) for delta in deltas]
    assert "".join(delta.content or "" for delta in deltas) == str(123456 * 654321)
    assert told.count(True) > 5
    assert max(at for at, tells in enumerate(told) if tells) < said.index(True)
    *others, last = chunks
    assert not last.choices
    assert last.usage is not None
    assert last.usage.total_tokens > 0
    assert all(chunk.usage is None for chunk in others)
    assert others[-1].choices[0].finish_reason == "stop"


def test_responses_whole_and_streamed(client: openai.OpenAI) -> None:
    with client:
        whole = client.responses.create(
            model="reason-vote", input=QUESTION, instructions="Be brief."
        )
        Response.model_validate(whole.model_dump())
        assert whole.output_text == "144"
        assert whole.status == "completed"
        assert whole.usage is not None
        assert whole.usage.total_tokens > 0
        with client.responses.stream(model="reason-vote", input=QUESTION) as stream:
            kinds = [event.type for event in stream]
            final = stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert "response.output_text.delta" in kinds
    assert final.output_text == "144"


async def test_the_asynchronous_client(url: str) -> None:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        stream = await client.chat.completions.create(
            model="reason-vote", messages=[{"role": "user", "content": QUESTION}], stream=True
        )
        parts = [chunk.choices[0].delta.content async for chunk in stream]
    assert "".join(part or "" for part in parts) == "144"


def test_errors_are_those_of_the_openai_client(client: openai.OpenAI) -> None:
    with client:
        ask = client.chat.completions.create
        with pytest.raises(openai.NotFoundError) as missing:
            ask(model="gpt-5", messages=[{"role": "user", "content": QUESTION}])
        with pytest.raises(openai.BadRequestError) as unknown:
            ask(
                model="reason-vote",
                messages=[{"role": "user", "content": QUESTION}],
                extra_body={"reason": {"budget_token": 5}},
            )
        with pytest.raises(openai.UnprocessableEntityError) as nothing:
            ask(model="reason-direct", messages=[{"role": "user", "content": "Why?"}])
        with pytest.raises(openai.APIError) as streamed:
            list(
                ask(
                    model="reason-direct",
                    messages=[{"role": "user", "content": "Why?"}],
                    stream=True,
                )
            )
    assert missing.value.code == "model_not_found"
    assert unknown.value.param == "reason.budget_token"
    assert "did you mean budget_tokens?" in unknown.value.message
    assert nothing.value.code == "no_answer"
    assert streamed.value.code == "no_answer"


@pytest.mark.parametrize("responses", [False, True])
def test_langchain(url: str, responses: bool) -> None:
    model = ChatOpenAI(
        base_url=f"{url}/v1",
        api_key=SecretStr("none"),
        model="reason-vote",
        temperature=0,
        use_responses_api=responses,
        extra_body={"reason": {"k": 3, "kind": "number"}},
    )
    conversation = [
        ("system", "Answer at once."),
        ("human", "Hello"),
        ("ai", "Hi"),
        ("human", QUESTION),
    ]
    reply = model.invoke(conversation)
    assert reply.text == "144"
    assert reply.usage_metadata is not None
    assert reply.usage_metadata["total_tokens"] > 0
    assert "".join(part.text for part in model.stream(conversation)) == "144"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(url: str) -> None:
    command = ["curl", "-sN", f"{url}/v1/chat/completions", "-H", "Content-Type: application/json"]
    ask = [*command, "-d", json.dumps(chat())]
    whole = json.loads(subprocess.run(ask, capture_output=True, check=True).stdout)
    assert whole["choices"][0]["message"]["content"] == "144"
    ask = [*command, "-d", json.dumps(chat(stream=True))]
    lines = subprocess.run(ask, capture_output=True, check=True, text=True).stdout.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    assert all(line.startswith("data: ") for line in lines[:-1])
