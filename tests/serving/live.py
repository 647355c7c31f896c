"""A small app around the runs API and the dashboard, on a real server on a free port."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request

from serving.dashboard import mount_dashboard
from serving.runs_api import runs_router
from serving.runs_service import RunsService


@dataclass
class Live:
    """A running server and the runs behind it."""

    port: int
    runs: Path
    service: RunsService

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> HTTPResponse:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        content = None if body is None else json.dumps(body)
        sent = {"Connection": "close"}
        if body is not None:
            sent["Content-Type"] = "application/json"
        connection.request(method, path, content, {**sent, **(headers or {})})
        return connection.getresponse()

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        response = self.open(method, path, body, headers)
        text = response.read()
        assert "application/json" in response.headers["Content-Type"], text
        return response.status, json.loads(text)

    def get(self, path: str) -> Any:
        status, data = self.ask("GET", path)
        assert status == 200, data
        return data

    def wait(self, run: str, *statuses: str) -> dict[str, Any]:
        """Wait until a run has one of the statuses."""
        return self.wait_for(run, lambda item: item["status"] in statuses)

    def wait_for(self, run: str, met: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until a run is as it should be."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            item: dict[str, Any] = self.get(f"/api/runs/{run}")["item"]
            if met(item):
                return item
            time.sleep(0.1)
        raise AssertionError(f"{run} never came so far: {item}")


@contextmanager
def serve(runs: Path, key: str | None = None) -> Iterator[Live]:
    """Serve the runs in a directory until the block ends."""

    def check(request: Request) -> None:
        if key is not None and request.headers.get("authorization") != f"Bearer {key}":
            raise HTTPException(401, "an API key is needed")

    service = RunsService(runs)
    app = FastAPI()
    app.include_router(runs_router(service), dependencies=[Depends(check)])
    mount_dashboard(app)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    config = uvicorn.Config(
        app, port=port, log_level="warning", ws="none", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    try:
        yield Live(port, runs, service)
    finally:
        server.should_exit = True
        thread.join(30)
