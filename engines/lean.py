"""Plain aiohttp with kept-alive connections as a transport."""

import json
from typing import Any

import aiohttp
from pydantic_core import to_json
from yarl import URL

from engines.protocol import fault
from engines.transport import detail_of, too_slow, unreachable
from reason.errors import TransientEngineError


class LeanTransport:
    """aiohttp and nothing else; the session is made on first use, inside the running loop."""

    def __init__(self, url: str, model: str, key: str, timeout: float) -> None:
        self._url, self._model, self._timeout = url, model, timeout
        self._text, self._chat = URL(f"{url}/completions"), URL(f"{url}/chat/completions")
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        # The engine's limiter bounds requests in flight; a second limit here would only hide it.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        timeout = aiohttp.ClientTimeout(total=self._timeout)
        return aiohttp.ClientSession(connector=connector, timeout=timeout, headers=self._headers)

    async def post(self, fields: dict[str, Any]) -> bytes:
        """See :class:`engines.transport.Transport`."""
        session = self._session = self._session or self._open()
        url = self._text if "prompt" in fields else self._chat
        try:
            async with session.post(url, data=_encode(fields)) as response:
                content = await response.read()
        except TimeoutError:
            raise too_slow(self._url, self._timeout) from None
        except aiohttp.ClientConnectorError as error:
            raise unreachable(self._url, error.os_error) from None
        except (aiohttp.ClientError, OSError) as error:
            raise TransientEngineError(f"{self._url} broke the connection: {error}") from None
        if response.status != 200:
            said = detail_of(content)
            raise fault(self._url, self._model, response.status, said, response.headers)
        return content

    async def close(self) -> None:
        """See :class:`engines.transport.Transport`."""
        if self._session is not None:
            await self._session.close()


def _encode(fields: dict[str, Any]) -> bytes:
    try:
        return to_json(fields)
    except ValueError:  # half a surrogate pair, as from a badly decoded file: JSON can escape it
        return json.dumps(fields).encode()
