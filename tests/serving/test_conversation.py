"""A conversation becomes one question, whatever is in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from serving.conversation import CONTEXT, QUESTION, Message, as_question
from serving.requests import ChatRequest, ResponsesRequest

ROLES = ["system", "developer", "user", "assistant"]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
messages = st.lists(st.tuples(st.sampled_from(ROLES), texts), min_size=1, max_size=8)


def test_a_lone_question_is_passed_on_word_for_word() -> None:
    assert as_question([Message(role="user", content="  Why {this}? ")]) == "Why {this}?"


def test_everything_else_is_context_in_order() -> None:
    said = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Why?")]
    asked = as_question([Message(role=role, content=text) for role, text in said])  # type: ignore[arg-type]
    context = "system: Be brief.\n\nuser: Hi\n\nassistant: Hello"
    assert asked == f"{CONTEXT}\n\n{context}\n\n{QUESTION}\n\nWhy?"


@given(messages)
def test_the_last_message_of_the_user_is_the_question(said: list[tuple[str, str]]) -> None:
    body = {"model": "m", "messages": [{"role": role, "content": text} for role, text in said]}
    asked = [text.strip() for role, text in said if role == "user"]
    if not asked or not asked[-1]:
        with pytest.raises(ValidationError):
            ChatRequest.model_validate(body)
        return
    question = ChatRequest.model_validate(body).question
    assert question.endswith(asked[-1])
    assert all(text.strip() in question for _, text in said)


@given(texts, texts)
def test_both_endpoints_read_parts_and_text_alike(one: str, two: str) -> None:
    parts = [{"type": "text", "text": one}, {"type": "text", "text": two}]
    for content in (f"{one}\n{two}?", [*parts, {"type": "text", "text": "?"}]):
        chat = {"model": "m", "messages": [{"role": "user", "content": content}]}
        response = {"model": "m", "input": [{"role": "user", "content": content}]}
        asked = ChatRequest.model_validate(chat).question
        assert asked == ResponsesRequest.model_validate(response).question


def test_instructions_come_first() -> None:
    body = {"model": "m", "input": "Why?", "instructions": "Be brief."}
    asked = ResponsesRequest.model_validate(body).question
    assert asked.index("system: Be brief.") < asked.index("Why?")
