"""One token from a model: does it answer, and who does?

The prompt is text or a chat, whichever the server knows: the micro models have no chat, the
newer models of OpenAI nothing else.
"""

from time import monotonic
from typing import NamedTuple

from engines.base import Engine, Request, Sample
from engines.models_list import list_models
from engines.options import EngineOptions
from engines.spec import open_engine, parse_spec
from reason.errors import TerminalEngineError
from reason.prompt import Prompt

TEXT = "1 2 3 4"
CHAT: Prompt = [{"role": "user", "content": "Go on: 1 2 3 4"}]


class Answer(NamedTuple):
    """What came back.

    Attributes:
        model: the name asked for.
        server: whose server it is, by its own word; empty if it does not say.
        answer: the text of one token.
        form: ``completion`` or ``chat``.
    """

    model: str
    server: str
    answer: str
    seconds: float
    prompt_tokens: int
    completion_tokens: int
    form: str


async def probe(spec: str, options: EngineOptions) -> Answer:
    """Ask the model of a spec for one token. Raises UsageError and EngineError."""
    engine = open_engine(spec, options)
    try:
        began = monotonic()
        form, sample = await _ask(engine, chat_first=parse_spec(spec).kind == "openai")
        seconds = round(monotonic() - began, 3)
    finally:
        await engine.close()
    return Answer(
        engine.model,
        await _owner(spec, engine.model),
        sample.text,
        seconds,
        sample.prompt_tokens,
        sample.completion_tokens,
        form,
    )


async def _ask(engine: Engine, *, chat_first: bool) -> tuple[str, Sample]:
    """One token in the likelier form, in the other if the server refuses that."""
    forms: list[tuple[str, Prompt]] = [("completion", TEXT), ("chat", CHAT)]
    (likely, prompt), (other, instead) = reversed(forms) if chat_first else forms
    try:
        return likely, await _one(engine, prompt)
    except TerminalEngineError as error:
        try:
            return other, await _one(engine, instead)
        except TerminalEngineError:
            raise error from None


async def _one(engine: Engine, prompt: Prompt) -> Sample:
    (sample,) = await engine.sample(Request(prompt, 1, (0.0,)))
    return sample


async def _owner(spec: str, model: str) -> str:
    """What the server's list of models says of who owns this one."""
    if parse_spec(spec).kind != "http":
        return ""
    listed = await list_models(parse_spec(spec).url) or {}
    return listed.get(model, "")
