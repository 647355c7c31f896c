"""Any OpenAI-compatible server, through the official ``openai`` client.

The client carries the bytes; retrying, reading choices and telling faults apart are ours, so that
they are the same for every transport and the promises of ``reason`` (bounded retries, Retry-After,
a stop at once on quota and key errors) hold whatever the client's version does.
"""

import asyncio
import json
from typing import Any

import openai

from engines.base import Request, Sample, by_temperature
from engines.concurrency import together
from engines.options import EngineOptions
from engines.prices import price_of
from engines.protocol import body, fault, read_samples
from engines.retry import with_retries
from reason.errors import EngineError, TerminalEngineError, TransientEngineError

NEWER = "max_completion_tokens"  # what some chat models want in place of max_tokens
FIRST_ATTEMPTS = 3  # attempts to reach a server that has not answered anything yet


class OpenAIEngine:
    """Samples from ``model`` at ``url``.

    Votes of equal temperature share one request through ``n``; a server that gives fewer choices
    than asked, or refuses ``n``, is asked again for the rest, one at a time.
    """

    def __init__(self, spec: str, model: str, url: str, key: str, options: EngineOptions) -> None:
        self.spec, self.model, self.url = spec, model, url
        self.price = price_of("openai", model) if spec.startswith("openai/") else None
        self._options = options
        self._slots = asyncio.Semaphore(options.concurrency)
        self._shares = True  # whether the server is believed to honour n
        self._cap = "max_tokens"
        self._reached, self._misses = False, 0
        self._client = openai.AsyncOpenAI(
            api_key=key, base_url=url, max_retries=0, timeout=options.timeout
        )

    async def sample(self, request: Request) -> list[Sample]:
        """Draw the samples; see :class:`engines.base.Engine`."""
        groups = by_temperature(request.temperatures)
        drawn = await together(self._group(request, t, n) for t, n in groups)
        return [sample for samples in drawn for sample in samples]

    async def _group(self, request: Request, temperature: float, n: int) -> list[Sample]:
        samples: list[Sample] = []
        if n > 1 and self._shares:
            samples = await self._call(request, temperature, n)
            self._shares = len(samples) == n
        singles = (self._call(request, temperature, 1) for _ in range(n - len(samples)))
        rest = await together(singles)
        return [*samples, *(sample for one in rest for sample in one)]

    async def _call(self, request: Request, temperature: float, n: int) -> list[Sample]:
        async with self._slots:
            return await with_retries(
                lambda: self._once(request, temperature, n),
                self._options.retries,
                self._options.backoff,
            )

    async def _once(self, request: Request, temperature: float, n: int) -> list[Sample]:
        """One attempt. A server that names ``n`` or the cap in a refusal is asked without them."""
        fields = body(self.model, request, temperature, n)
        if "messages" in fields:
            fields[self._cap] = fields.pop("max_tokens")
        try:
            text = await self._post(fields)
        except TerminalEngineError as error:
            if n > 1 and "'n'" in str(error).replace('"', "'"):
                self._shares = False
                return []
            if (
                "messages" in fields
                and "max_completion_tokens" in str(error)
                and self._cap != NEWER
            ):
                self._cap = NEWER
                return await self._once(request, temperature, n)
            raise
        try:
            data = json.loads(text)
        except ValueError:
            raise TransientEngineError(f"{self.url} sent a response that is not JSON") from None
        try:
            return read_samples(data, n, self.model)
        except TransientEngineError as error:
            raise TransientEngineError(f"{self.url}: {error}") from None

    async def _post(self, fields: dict[str, Any]) -> bytes:
        client = self._client
        create: Any = (
            client.completions.with_raw_response.create
            if "prompt" in fields
            else client.chat.completions.with_raw_response.create
        )
        try:
            response = await create(**fields)
            content: bytes = response.content
        except openai.APIStatusError as error:
            headers = error.response.headers
            raise fault(self.url, self.model, error.status_code, _detail(error), headers) from None
        except openai.APITimeoutError:
            seconds = self._options.timeout
            raise TransientEngineError(f"{self.url} did not answer within {seconds:g} s") from None
        except openai.APIConnectionError as error:
            raise self._unreachable(error) from None
        except openai.OpenAIError as error:
            raise TransientEngineError(f"{self.url}: {error}") from None
        self._reached = True
        return content

    def _unreachable(self, error: openai.APIConnectionError) -> EngineError:
        """A server never reached yet is more likely misspelt than busy: it gets few attempts."""
        cause = error.__cause__ or error
        said = f"cannot reach {self.url} ({cause or type(cause).__name__}); is the server running?"
        self._misses += 1
        if not self._reached and self._misses > FIRST_ATTEMPTS:
            return TerminalEngineError(said)
        return TransientEngineError(said)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _detail(error: openai.APIStatusError) -> str:
    """The server's own words, the error code included."""
    inner = error.body
    if isinstance(inner, dict):
        nested = inner.get("error")
        inner = nested if isinstance(nested, dict) else inner
        words = [str(inner.get(key)) for key in ("code", "message") if inner.get(key)]
        if words:
            return ": ".join(words)
    return error.response.text or error.message
