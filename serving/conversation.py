"""A conversation as one question.

The last message of the user is the question. All others, system messages included, are its context:
each is put before the question under the name of its role, in order. A lone message is passed on
word for word. Only text can be read.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

CONTEXT = "Conversation so far:"
QUESTION = "The question:"


def plain_text(value: Any) -> Any:
    """The text of a content that may be given in parts. Raises ValueError for other parts."""
    if not isinstance(value, list):
        return value
    parts = []
    for part in value:
        kind, text = (
            (part.get("type"), part.get("text")) if isinstance(part, dict) else (None, None)
        )
        if kind not in ("text", "input_text", "output_text") or not isinstance(text, str):
            raise ValueError("only text can be read: a string, or parts with type and text")
        parts.append(text)
    return "\n".join(parts)


def encodable(text: str) -> str:
    """The text itself. Raises ValueError for half a surrogate pair, which JSON lets through."""
    if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
        raise ValueError("is no valid Unicode: half a surrogate pair")
    return text


_TEXT_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "text"],
                "properties": {
                    "type": {"enum": ["text", "input_text", "output_text"]},
                    "text": {"type": "string"},
                },
            },
        },
    ]
}

Plain = Annotated[str, AfterValidator(encodable)]
Text = Annotated[Plain, BeforeValidator(plain_text), WithJsonSchema(_TEXT_SCHEMA)]


class Message(BaseModel):
    """One message; fields that are not needed here are passed over."""

    model_config = ConfigDict(strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: Text


def as_question(messages: Sequence[Message]) -> str:
    """The conversation as one question. Raises ValueError when the user asks nothing."""
    asked = max((at for at, one in enumerate(messages) if one.role == "user"), default=None)
    if asked is None or not messages[asked].content.strip():
        raise ValueError("there is no question: the last message of the user holds it")
    question = messages[asked].content.strip()
    others = [one for at, one in enumerate(messages) if at != asked and one.content.strip()]
    if not others:
        return question
    said = "\n\n".join(f"{one.role}: {one.content.strip()}" for one in others)
    return f"{CONTEXT}\n\n{said}\n\n{QUESTION}\n\n{question}"
