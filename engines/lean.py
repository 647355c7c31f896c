"""Plain aiohttp with kept-alive connections as a transport."""

import json
from typing import Any

import aiohttp

from engines.protocol import fault
from engines.transport import detail_of, too_slow, unreachable
from reason.errors import TransientEngineError


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
        """See :class:`engines.transport.Transport`."""
        session = self._session = self._session or self._open()
        path = "completions" if "prompt" in fields else "chat/completions"
        try:
            payload = json.dumps(fields).encode()
            async with session.post(f"{self._url}/{path}", data=payload) as response:
                content = await response.read()
                status, headers = response.status, response.headers
        except TimeoutError:
            raise too_slow(self._url, self._timeout) from None
        except aiohttp.ClientConnectorError as error:
            raise unreachable(self._url, error.os_error) from None
        except (aiohttp.ClientError, OSError) as error:
            raise TransientEngineError(f"{self._url} broke the connection: {error}") from None
        if status != 200:
            raise fault(self._url, self._model, status, detail_of(content), headers)
        return content

    async def close(self) -> None:
        """See :class:`engines.transport.Transport`."""
        if self._session is not None:
            await self._session.close()
