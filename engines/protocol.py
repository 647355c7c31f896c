"""The OpenAI wire protocol as all engines speak it: bodies out, choices in, faults told apart."""

import email.utils
import time
from collections.abc import Mapping
from typing import Any

from engines.base import FinishReason, Form, Request, Sample
from reason.errors import EngineError, TerminalEngineError, TransientEngineError

PASSING = {408, 409, 425, 429, 500, 502, 503, 504, 529}
"""HTTP statuses after which another attempt may succeed."""

_SPENT = ("insufficient_quota", "billing", "exceeded your current quota", "credit balance")


def body(model: str, request: Request, temperature: float, n: int) -> dict[str, Any]:
    """The JSON of one request for ``n`` samples; its prompt decides between the two end points.

    A request's form is left to :func:`structured`.
    """
    fields: dict[str, Any] = {
        "model": model,
        "max_tokens": request.max_tokens,
        "temperature": temperature,
    }
    if n > 1:
        fields["n"] = n
    if request.stop:
        fields["stop"] = list(request.stop)
    key = "prompt" if isinstance(request.prompt, str) else "messages"
    return {**fields, key: request.prompt}


def structured(fields: dict[str, Any], form: Form) -> dict[str, Any]:
    """The JSON of a chat request, its answers held to a form."""
    schema = {"name": "answer", "schema": form.schema, "strict": True}
    held = {"type": "json_schema", "json_schema": schema}
    return {**fields, "messages": form.prompt, "response_format": held}


def read_samples(data: object, n: int, model: str) -> list[Sample]:
    """The choices of a response in order of index, at most ``n``; there may be fewer.

    Raises TransientEngineError for a response without a usable choice.
    """
    choices = data.get("choices") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(choices, list) or not choices:
        raise TransientEngineError("the server's response holds no choices")
    by_index: dict[int, tuple[str, FinishReason]] = {}
    for at, choice in enumerate(choices):
        read = _read_choice(choice)
        index = choice.get("index", at) if isinstance(choice, dict) else at
        if read is not None and isinstance(index, int):
            by_index.setdefault(index, read)  # a duplicated index is the same vote told twice
    if not by_index:
        raise TransientEngineError("the server's response holds no text")
    answers = [by_index[index] for index in sorted(by_index)][:n]
    return _with_usage(answers, data.get("usage"), model)


def _read_choice(choice: object) -> tuple[str, FinishReason] | None:
    if not isinstance(choice, dict):
        return None
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    finish = choice.get("finish_reason")
    if finish == "length":  # a cut-off answer may be empty; it is a red flag, not a fault
        return text if isinstance(text, str) else "", "length"
    if not isinstance(text, str):
        return None
    return text, "stop" if finish in ("stop", None) else "other"


def _with_usage(answers: list[tuple[str, FinishReason]], usage: object, model: str) -> list[Sample]:
    """Samples that carry the response's usage: the prompt on the first, completions shared out."""
    given = usage if isinstance(usage, dict) else {}
    prompt = _count(given.get("prompt_tokens"), 0)
    total = _count(given.get("completion_tokens"), sum(len(text) // 4 + 1 for text, _ in answers))
    samples, left = [], total
    for at, (text, finish) in enumerate(answers):
        share = left // (len(answers) - at)
        left -= share
        samples.append(Sample(text, finish, 0 if at else prompt, share, model))
    return samples


def _count(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and value >= 0 else otherwise


def fault(
    where: str, model: str, status: int, detail: str, headers: Mapping[str, str]
) -> EngineError:
    """The error for an HTTP status: terminal when no further attempt can help."""
    said = " ".join(detail.split())[:200]
    if status in (401, 403):
        return TerminalEngineError(f"{where} refuses the key ({status}): {said}; check the API key")
    if status in (402, 429) and any(word in said.lower() for word in _SPENT):
        return TerminalEngineError(f"{where} says the quota is spent: {said}")
    if status == 404:
        return TerminalEngineError(f"{where} has no model {model!r} or no such path: {said}")
    if status in PASSING or status >= 500:
        wish, told = retry_after(headers), f"{where} answered {status}: {said}"
        return TransientEngineError(told, wish, throttled=status == 429)
    return TerminalEngineError(f"{where} refuses the request ({status}): {said}")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header, given as a number or a date; None without one."""
    value = headers.get("retry-after") or headers.get("Retry-After")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
