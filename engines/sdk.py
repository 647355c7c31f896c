"""The official ``openai`` client as a transport, its own retries switched off."""

from typing import Any

import openai

from engines.protocol import fault
from engines.transport import detail_of, too_slow, unreachable
from reason.errors import EngineError, TransientEngineError


class SdkTransport:
    """The official client, its own retries switched off."""

    def __init__(self, url: str, model: str, key: str, timeout: float) -> None:
        self._url, self._model, self._timeout = url, model, timeout
        self._client = openai.AsyncOpenAI(api_key=key, base_url=url, max_retries=0, timeout=timeout)

    async def post(self, fields: dict[str, Any]) -> bytes:
        """See :class:`engines.transport.Transport`."""
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
            return too_slow(self._url, self._timeout)
        if isinstance(error, openai.APIConnectionError):
            return unreachable(self._url, error.__cause__ or error)
        return TransientEngineError(f"{self._url}: {error}")

    async def close(self) -> None:
        """See :class:`engines.transport.Transport`."""
        await self._client.close()
