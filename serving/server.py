"""The server process: a socket, uvicorn, and an orderly end.

uvicorn waits for a request's head as long as the client likes; :class:`Patient` does not. A signal
lets requests under way finish for a while; a second one ends them.
"""

import asyncio
import contextlib
import json
import resource
import signal
import socket
from collections.abc import Callable, Iterator

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from reason.errors import UsageError
from serving.errors import ApiError

HEAD_SECONDS = 20.0  # for the head of a request to come in
FINISH_SECONDS = 10  # for requests under way when the server is told to stop
BACKSTOP_SECONDS = 5  # for them to end once they are given up
BACKLOG = 2048


def _too_slow() -> bytes:
    body = json.dumps(ApiError(408, "the head of the request did not come in").body).encode()
    head = "HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


class Patient(H11Protocol):
    """HTTP/1.1 with a limit to how long a request's head may take to come in."""

    _alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected: it owes a request."""
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Something came: the rest of the head, or of a body, for which there are other limits."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._relax()
        elif self._alarm is None:
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left."""
        self._relax()
        super().connection_lost(exc)

    def _expect(self) -> None:
        self._alarm = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _relax(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _give_up(self) -> None:
        self.transport.write(_too_slow())
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn's server; says when it listens, and ends in order when told to stop.

    Args:
        app: what is served.
        started: called once it listens.
        give_up: called when it was told to stop and requests under way take too long.
    """

    def __init__(
        self, app: FastAPI, started: Callable[[], None], give_up: Callable[[], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Patient,
                ws="none",
                lifespan="off",
                log_level="warning",
                access_log=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_graceful_shutdown=FINISH_SECONDS + BACKSTOP_SECONDS,
            )
        )
        self._started, self._give_up = started, give_up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self._started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGINT and SIGTERM; uvicorn's own way would end the process by the signal."""
        loop = asyncio.get_running_loop()
        stops = (signal.SIGINT, signal.SIGTERM)
        for number in stops:
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in stops:
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        """The first signal ends it when requests are done, or in a while; the next one at once."""
        if self.should_exit:
            self._give_up()
            return
        self.should_exit = True
        asyncio.get_running_loop().call_later(FINISH_SECONDS, self._give_up)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises UsageError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host} port {port}: {error.strerror or error}"
        ) from None


def address_of(listening: socket.socket) -> str:
    """The base URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def raise_open_files() -> None:
    """Let the process have as many connections as the system grants it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
