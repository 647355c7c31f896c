"""A real server for tests: in this process with engines that count, or as a child process."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from agents.questions.desk import Role
from agents.questions.prompting import load_prompts
from engines.base import Engine, Request, Sample
from engines.options import EngineOptions
from engines.spec import open_engine
from serving.app import create_app
from serving.gate import Gate
from serving.keys import Keys
from serving.metrics import Metrics
from serving.server import Server, address_of, listen
from serving.service import Service, Terms
from tasks.questions.rehearsal import rehearse
from tests.reason.command import start

QUESTION = "What is 12 * 12?"
ROLES: tuple[Role, ...] = ("solver", "decomposer", "judge")
SIM = EngineOptions(rehearse=rehearse)


def chat(content: str = QUESTION, model: str = "reason-vote", **fields: Any) -> dict[str, Any]:
    """The body of a chat with one message."""
    return {"model": model, "messages": [{"role": "user", "content": content}], **fields}


class Counting:
    """A simulated model that counts its calls: begun, ended, cancelled."""

    def __init__(self, spec: str) -> None:
        self._engine: Engine = open_engine(spec, SIM)
        self.spec, self.model, self.price = spec, self._engine.model, self._engine.price
        self.begun = self.ended = self.cancelled = 0

    async def sample(self, request: Request) -> list[Sample]:
        self.begun += 1
        try:
            samples = await self._engine.sample(request)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.ended += 1
        return samples

    async def close(self) -> None:
        """Nothing to free."""


class Running(NamedTuple):
    """A server that listens."""

    url: str
    service: Service
    engine: Counting


def make_service(
    spec: str = "sim",
    *,
    keys: Sequence[str] = (),
    terms: Terms | None = None,
    at_once: int = 64,
    queue: int = 1024,
) -> tuple[Service, Counting]:
    """A service on one simulated model, and that model."""
    engine, gate = Counting(spec), Gate(at_once, queue)
    service = Service(
        dict.fromkeys(ROLES, engine),
        dict.fromkeys(ROLES, load_prompts()),
        gate=gate,
        metrics=Metrics(gate),
        terms=terms,
        keys=Keys(keys),
    )
    return service, engine


@asynccontextmanager
async def serving(spec: str = "sim", **options: Any) -> AsyncIterator[Running]:
    """A server in this event loop."""
    service, engine = make_service(spec, **options)
    listens = asyncio.Event()
    with listen("127.0.0.1", 0) as listening:
        url = address_of(listening)
        server = Server(create_app(service), listens.set, service.stop)
        task = asyncio.create_task(server.serve([listening]))
        await listens.wait()
        try:
            yield Running(url, service, engine)
        finally:
            server.should_exit = True
            await task


@contextmanager
def process(*arguments: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """``reason serve`` in a process of its own, on a free port; gives its base URL."""
    child = start(["serve", "--port", "0", *arguments])
    assert child.stderr is not None
    line = child.stderr.readline()
    assert " at http" in line, line + child.stderr.read()
    drain = threading.Thread(target=child.stderr.read, daemon=True)
    drain.start()
    try:
        yield line.rsplit(" at ", 1)[1].strip().removesuffix("/v1"), child
    finally:
        child.terminate()
        child.wait(30)
        drain.join(10)
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()


def raw(url: str, data: bytes, *, pause: float = 0.0, timeout: float = 10.0) -> bytes:
    """Send bytes as they are; everything that comes back until the server closes."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=timeout) as connection:
        connection.sendall(data)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                received += part
        return received


def samples(text: str) -> dict[str, float]:
    """Every sample of a page of metrics, by its name and labels."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{key}="{value}"' for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def python(code: str) -> list[str]:
    """The command that runs some Python."""
    return [sys.executable, "-c", code]
