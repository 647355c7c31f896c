"""Samples from any OpenAI-compatible server.

Retrying, sharing requests through ``n``, reading choices and telling faults apart are here, for
every transport alike: the promises (bounded retries, Retry-After, a stop at once on quota and key
errors) hold whatever carries the bytes.
"""

from contextlib import suppress
from typing import Any

from pydantic_core import from_json

from engines.base import Form, Request, Sample, by_temperature
from engines.concurrency import together
from engines.options import EngineOptions
from engines.prices import price_of
from engines.protocol import body, read_samples, structured
from engines.retry import with_retries
from engines.transport import Transport, Unreachable
from reason.errors import TerminalEngineError, TransientEngineError

NEWER = "max_completion_tokens"  # what some chat models want in place of max_tokens
FIRST_ATTEMPTS = 3  # attempts to reach a server that has not answered anything yet


class ServerEngine:
    """Samples from ``model`` at ``url``, carried by ``transport``.

    Votes of equal temperature share one request through ``n``; a server that gives fewer choices
    than asked, or refuses ``n``, is asked for the rest one at a time.
    """

    def __init__(
        self, spec: str, model: str, url: str, transport: Transport, options: EngineOptions
    ) -> None:
        self.spec, self.model, self.url = spec, model, url
        self.price = options.prices.get(model)
        if self.price is None and spec.startswith("openai/"):
            self.price = price_of("openai", model)
        self.limiter = options.limiters.of(url, options.concurrency)
        self._transport, self._options = transport, options
        self._shares = True  # whether the server is believed to honour n
        self._structures = True  # whether the server is believed to hold answers to a form
        self._cap = "max_tokens"
        self._reached, self._misses = False, 0

    async def sample(self, request: Request) -> list[Sample]:
        """Draw the samples; see :class:`engines.base.Engine`."""
        groups = by_temperature(request.temperatures)
        if len(groups) == 1:
            return await self._group(request, *groups[0])
        drawn = await together(self._group(request, t, n) for t, n in groups)
        return [sample for samples in drawn for sample in samples]

    async def _group(self, request: Request, temperature: float, n: int) -> list[Sample]:
        if n == 1:
            return await self._call(request, temperature, 1)
        samples: list[Sample] = []
        if self._shares:
            samples = await self._call(request, temperature, n)
            self._shares = len(samples) == n
        singles = (self._call(request, temperature, 1) for _ in range(n - len(samples)))
        rest = await together(singles)
        return [*samples, *(sample for one in rest for sample in one)]

    async def _call(self, request: Request, temperature: float, n: int) -> list[Sample]:
        return await with_retries(
            lambda: self._once(request, temperature, n),
            self._options.retries,
            self._options.backoff,
            lambda: self._options.retried(self.model),
        )

    async def _once(self, request: Request, temperature: float, n: int) -> list[Sample]:
        """One attempt; a server that refuses a form is asked in plain words from then on."""
        if request.form is None or not self._structures:
            return await self._attempt(request, temperature, n)
        with suppress(TerminalEngineError):
            return await self._attempt(request, temperature, n, request.form)
        samples = await self._attempt(request, temperature, n)  # raises if the form was not why
        self._structures = False
        return samples

    async def _attempt(
        self, request: Request, temperature: float, n: int, form: Form | None = None
    ) -> list[Sample]:
        """Ask. A server that names ``n`` or the cap in a refusal is asked without them."""
        fields = body(self.model, request, temperature, n)
        if form is not None:
            fields = structured(fields, form)
        if "messages" in fields:
            fields[self._cap] = fields.pop("max_tokens")
        try:
            content = await self._post(fields)
        except TerminalEngineError as error:
            if n > 1 and "'n'" in str(error).replace('"', "'"):
                self._shares = False
                return []
            if NEWER in str(error) and self._cap != NEWER:
                self._cap = NEWER
                return await self._attempt(request, temperature, n, form)
            raise
        try:
            return read_samples(from_json(content), n, self.model)
        except ValueError:
            raise TransientEngineError(f"{self.url} sent a response that is not JSON") from None
        except TransientEngineError as error:
            raise TransientEngineError(f"{self.url}: {error}") from None

    async def _post(self, fields: dict[str, Any]) -> bytes:
        epoch = await self.limiter.acquire()
        try:
            content = await self._transport.post(fields)
        except Unreachable as error:
            raise self._missed(error) from None
        except TransientEngineError as error:
            if error.throttled:
                self.limiter.throttled(epoch)
            raise
        finally:
            self.limiter.release()
        self.limiter.succeeded()
        self._reached = True
        return content

    def _missed(self, error: Unreachable) -> Unreachable | TerminalEngineError:
        """A server never reached yet is more likely misspelt than busy: it gets few attempts."""
        self._misses += 1
        if not self._reached and self._misses > FIRST_ATTEMPTS:
            return TerminalEngineError(str(error))
        return error

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()
