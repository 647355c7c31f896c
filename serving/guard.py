"""What stands before every route: who may come in, and how much may be brought.

:class:`Guard` asks for an API key everywhere but at the few open paths. A server without keys
listens on this machine alone, yet any web page could send a browser there under a name of its own
(DNS rebinding), so requests to it must name this machine as their host.

:class:`Intake` takes in a body before any route sees it, bounded in size and in time, so that
large and slow ones end the same way everywhere. What still comes of a refused body is read and
thrown away for a moment: a connection closed on unread data would lose the answer.
"""

import asyncio
import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import ApiError
from serving.keys import Keys

OPEN = {"/", "/health", "/ready"}
OPEN_FOLDER = "/static/"
"""Paths that need no key: probes, and the dashboard's files, which hold no data."""

THROWN_AWAY = 16 * 2**20  # bytes of a refused body that are read at most
PATIENCE = 2.0  # seconds for them


class Guard:
    """See the module's text."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self.app, self.keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it with the refusal."""
        error = self._refusal(scope) if scope["type"] == "http" else None
        if error is None:
            await self.app(scope, receive, send)
        else:
            await error.response()(scope, receive, send)

    def _refusal(self, scope: Scope) -> ApiError | None:
        headers = Headers(scope=scope)
        if not self.keys:
            return None if _is_here(headers.get("host", "")) else _elsewhere()
        path = scope["path"]
        if path in OPEN or path.startswith(OPEN_FOLDER):
            return None
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.keys.allow(key.strip().encode("latin-1")):
            return None
        return ApiError(
            401,
            "the API key is missing or wrong: send the header Authorization: Bearer KEY",
            kind="authentication_error",
            code="invalid_api_key",
            headers={"WWW-Authenticate": "Bearer"},
        )


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine, seen from itself alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_here(header: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{header}").hostname or "")
    except ValueError:
        return False


def _elsewhere() -> ApiError:
    return ApiError(
        403, "a server without API keys answers to localhost and 127.0.0.1 alone", code="wrong_host"
    )


class Intake:
    """See the module's text.

    Args:
        app: what comes after.
        most: bytes of a body.
        seconds: for all of a body to come in.
    """

    def __init__(self, app: ASGIApp, most: int, seconds: float) -> None:
        self.app, self.most, self.seconds = app, most, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a request whose body is here, or answer it with the refusal."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self.seconds):
                body = await self._take(scope, receive)
        except TimeoutError:
            slow = ApiError(408, f"the body did not come in within {self.seconds:g} s")
            await slow.response()(scope, receive, send)
            return
        except ApiError as error:
            await error.response()(scope, receive, send)
            return
        if body is not None:
            await self.app(scope, _again(body, receive), send)

    async def _take(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body; None when the client left. Raises ApiError (413)."""
        headers = Headers(scope=scope)
        if int(headers.get("content-length", "0")) > self.most:  # the server has checked its form
            if headers.get("expect", "").lower() != "100-continue":
                await _throw_away(receive)
            raise self._too_large()
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.most:
                await _throw_away(receive)
                raise self._too_large()
            if not message.get("more_body", False):
                return b"".join(parts)

    def _too_large(self) -> ApiError:
        return ApiError(413, f"the body is larger than {self.most:,} bytes", code="too_large")


async def _throw_away(receive: Receive) -> None:
    left, more = THROWN_AWAY, True
    try:
        async with asyncio.timeout(PATIENCE):
            while more and left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                more = message.get("more_body", False)
    except TimeoutError:
        pass


def _again(body: bytes, receive: Receive) -> Receive:
    """The body as one message, and then what the client does next."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def take() -> Message:
        return waiting.pop() if waiting else await receive()

    return take
