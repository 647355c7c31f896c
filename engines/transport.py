"""Two ways to carry a request to an OpenAI-compatible server; both raise the same errors.

:class:`SdkTransport` is the official ``openai`` client, for ordinary use. :class:`LeanTransport` is
plain aiohttp with kept-alive connections, for the step loop, where millions of small requests make
the client's own work the bottleneck.
"""

import json
from typing import Any, Protocol

import aiohttp
import openai

from engines.protocol import fault
from reason.errors import EngineError, TransientEngineError


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


def _unreachable(url: str, error: BaseException) -> Unreachable:
    said = str(error) or type(error).__name__
    return Unreachable(f"cannot reach {url} ({said}); is the server running?")


def _too_slow(url: str, seconds: float) -> TransientEngineError:
    return TransientEngineError(f"{url} did not answer within {seconds:g} s")


class SdkTransport:
    """The official client, its own retries switched off."""

    def __init__(self, url: str, model: str, key: str, timeout: float) -> None:
        self._url, self._model, self._timeout = url, model, timeout
        self._client = openai.AsyncOpenAI(api_key=key, base_url=url, max_retries=0, timeout=timeout)

    async def post(self, fields: dict[str, Any]) -> bytes:
        """See :class:`Transport`."""
        client = self._client
        create: Any = (
            client.completions.with_raw_response.create
            if "prompt" in fields
            else client.chat.completions.with_raw_response.create
        )
        try:
            response = await create(**fields)
            content: bytes = response.content
        except openai.OpenAIError as error:
            raise self._told(error) from None
        return content

    def _told(self, error: openai.OpenAIError) -> EngineError:
        if isinstance(error, openai.APIStatusError):
            response = error.response
            detail = detail_of(response.content)
            return fault(self._url, self._model, error.status_code, detail, response.headers)
        if isinstance(error, openai.APITimeoutError):
            return _too_slow(self._url, self._timeout)
        if isinstance(error, openai.APIConnectionError):
            return _unreachable(self._url, error.__cause__ or error)
        return TransientEngineError(f"{self._url}: {error}")

    async def close(self) -> None:
        """See :class:`Transport`."""
        await self._client.close()


class LeanTransport:
    """aiohttp and nothing else; the session is made on first use, inside the running loop."""

    def __init__(self, url: str, model: str, key: str, timeout: float) -> None:
        self._url, self._model, self._timeout = url, model, timeout
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        # The engine's limiter bounds requests in flight; a second limit here would only hide it.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        timeout = aiohttp.ClientTimeout(total=self._timeout)
        return aiohttp.ClientSession(connector=connector, timeout=timeout, headers=self._headers)

    async def post(self, fields: dict[str, Any]) -> bytes:
        """See :class:`Transport`."""
        session = self._session = self._session or self._open()
        path = "completions" if "prompt" in fields else "chat/completions"
        try:
            payload = json.dumps(fields).encode()
            async with session.post(f"{self._url}/{path}", data=payload) as response:
                content = await response.read()
                status, headers = response.status, response.headers
        except TimeoutError:
            raise _too_slow(self._url, self._timeout) from None
        except aiohttp.ClientConnectorError as error:
            raise _unreachable(self._url, error.os_error) from None
        except (aiohttp.ClientError, OSError) as error:
            raise TransientEngineError(f"{self._url} broke the connection: {error}") from None
        if status != 200:
            raise fault(self._url, self._model, status, detail_of(content), headers)
        return content

    async def close(self) -> None:
        """See :class:`Transport`."""
        if self._session is not None:
            await self._session.close()


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
