"""Carrying a request to an OpenAI-compatible server: what every transport does and raises.

There are two, which raise the same errors: :mod:`engines.sdk`, the official ``openai`` client, for
ordinary use, and :mod:`engines.lean`, plain aiohttp, for the step loop, where millions of small
requests make the client's own work the bottleneck.
"""

import json
from typing import Any, Protocol

from reason.errors import TransientEngineError


class Unreachable(TransientEngineError):
    """No connection came about; worth fewer attempts than a server that answers."""


class Transport(Protocol):
    """Carries one request."""

    async def post(self, fields: dict[str, Any]) -> bytes:
        """The body of a successful response. Raises EngineError for everything else."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def unreachable(url: str, error: BaseException) -> Unreachable:
    """The error for a connection that did not come about."""
    said = str(error) or type(error).__name__
    return Unreachable(f"cannot reach {url} ({said}); is the server running?")


def too_slow(url: str, seconds: float) -> TransientEngineError:
    """The error for an answer that did not come in time."""
    return TransientEngineError(f"{url} did not answer within {seconds:g} s")


def detail_of(content: bytes) -> str:
    """A refusal in the server's own words, the error's code included."""
    text = content.decode("utf-8", "replace")
    try:
        data = json.loads(text)
    except ValueError:
        return text
    inner = data.get("error", data) if isinstance(data, dict) else data
    if not isinstance(inner, dict):
        return str(inner)
    words = [str(inner[key]) for key in ("code", "message") if inner.get(key)]
    return ": ".join(words) or text
