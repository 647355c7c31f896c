"""What the two OpenAI endpoints accept.

Fields of the OpenAI API that mean nothing here (``top_p``, ``seed``, ``user`` and so on) are passed
over, since clients send them unasked. ``temperature`` is one of them on purpose: many clients
always send 0, at which all votes would be the same; ``reason.temperature`` sets that of votes.
Fields that would change what comes back (``n``, ``tools``, a response format) are refused unless
they ask for what comes back anyway.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from serving.conversation import Message, Plain, as_question
from serving.options import ReasonOptions
from serving.service import MODELS


def _nothing(value: Any) -> None:
    if value:
        raise ValueError("is not supported here: leave it out")


def _only_text(value: Any) -> None:
    form = value.get("format", value) if isinstance(value, dict) else value
    kind = form.get("type", "text") if isinstance(form, dict) else form
    if kind not in (None, "text"):
        raise ValueError("only the type text is supported here")


Nothing = Annotated[None, BeforeValidator(_nothing), WithJsonSchema({"enum": [None, False, []]})]
OnlyText = Annotated[
    None,
    BeforeValidator(_only_text),
    WithJsonSchema(
        {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"type": {"const": "text"}}}]}
    ),
]
Cap = Annotated[int, Field(ge=1, le=1_000_000)]
Name = Annotated[
    Plain,
    Field(min_length=1, max_length=200),
    WithJsonSchema({"type": "string", "enum": list(MODELS)}),
]


class _Asked(BaseModel):
    """What both have in common."""

    model_config = ConfigDict(strict=True)

    model: Name
    stream: bool | None = None
    tools: Nothing = None
    reason: ReasonOptions | None = Field(
        default=None, description="Options of this project; `extra_body` of OpenAI's client."
    )

    def options(self, cap: int | None) -> ReasonOptions:
        """The options, with the endpoint's own name for the cap of an answer taken in."""
        options = self.reason or ReasonOptions()
        if cap is None or options.max_tokens is not None:
            return options
        return options.model_copy(update={"max_tokens": cap})


class StreamOptions(BaseModel):
    """How a chat is streamed."""

    model_config = ConfigDict(strict=True)

    include_usage: bool | None = None


class ChatRequest(_Asked):
    """The body of ``/v1/chat/completions``."""

    messages: list[Message] = Field(min_length=1, max_length=1000)
    stream_options: StreamOptions | None = None
    max_tokens: Cap | None = None
    max_completion_tokens: Cap | None = None
    n: Literal[1] | None = None
    functions: Nothing = None
    logprobs: Nothing = None
    response_format: OnlyText = None

    @model_validator(mode="after")
    def _asks(self) -> "ChatRequest":
        as_question(self.messages)
        return self

    @property
    def question(self) -> str:
        """What is asked."""
        return as_question(self.messages)

    @property
    def cap(self) -> int | None:
        """The cap of an answer, under either of its names."""
        return self.max_completion_tokens or self.max_tokens


def _as_messages(value: Any) -> Any:
    return [{"role": "user", "content": value}] if isinstance(value, str) else value


class ResponsesRequest(_Asked):
    """The body of ``/v1/responses``; nothing is stored, so nothing can be gone on with."""

    input: Annotated[list[Message], BeforeValidator(_as_messages)] = Field(
        min_length=1, max_length=1000
    )
    instructions: Plain | None = None
    max_output_tokens: Cap | None = None
    previous_response_id: Nothing = None
    background: Nothing = None
    text: OnlyText = None

    @model_validator(mode="after")
    def _asks(self) -> "ResponsesRequest":
        as_question(self.input)
        return self

    @property
    def question(self) -> str:
        """What is asked, the instructions put before everything else."""
        first = [Message(role="system", content=self.instructions)] if self.instructions else []
        return as_question([*first, *self.input])
