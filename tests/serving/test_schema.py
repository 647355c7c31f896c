"""Whatever the OpenAPI schema allows, and what it does not, is answered without a server error."""

import asyncio
import atexit
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from reason import solve
from serving.app import create_app
from serving.dashboard import mount_dashboard
from serving.runs_api import runs_router
from serving.runs_service import RunsService
from serving.workers import Workers
from tests.serving.material import make_service

EXAMPLES = 25
LOCAL = {"Host": "localhost"}
RUN = "done"


class Idle(Workers):
    """Lets runs be made without end, and works on none."""

    def check_room(self) -> None: ...

    def start(self, path: Path) -> None: ...


def make_app() -> FastAPI:
    """All that ``reason serve`` offers, over a directory with one run in it."""
    base = Path(tempfile.mkdtemp(prefix="reason-schema-"))
    atexit.register(shutil.rmtree, base)
    asyncio.run(solve({"name": "hanoi", "disks": 4}, base / RUN, model=["sim:error=0.1"], k=2))
    runs = RunsService(base)
    runs.workers = Idle(0)
    app = create_app(make_service("sim:error=0.1,flag=0.1")[0])
    app.include_router(runs_router(runs))
    mount_dashboard(app)
    return app


APP = make_app()

schema = schemathesis.openapi.from_asgi("/openapi.json", APP, headers=LOCAL)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
def test_no_request_is_a_server_error(case: Any) -> None:
    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]
    case.call_and_validate(headers=LOCAL, checks=checks)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_requests_that_fit_the_schema_reach_the_strategies(path: str) -> None:
    reached = set()

    @given(case=schema[path]["POST"].as_strategy(generation_mode=GenerationMode.POSITIVE))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        response = case.call(headers=LOCAL)
        assert response.status_code < 500
        reached.add(response.status_code)

    ask()
    assert reached & {200, 422}  # a strategy worked on it, whether it found an answer or not
