"""``/health``, ``/ready``, ``/metrics``: whether the process lives, whether models answer, counts.

``/ready`` asks every model for one token. What it found is kept for a while, since probes come
often and tokens may cost money; a failure is kept for a shorter time.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from agents.questions.desk import Role
from engines.base import Engine, Request
from engines.concurrency import together
from reason.errors import EngineError
from serving.errors import RESPONSES, log
from serving.service import Service

PATIENCE = 10.0  # seconds for a model to answer
KEPT = 60.0  # seconds that a success counts
FAILURE_KEPT = 5.0

GREETING = Request([{"role": "user", "content": "Reply with the word OK."}], 1, (0.0,))


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether every model answers, and the roles of those that do not."""

    status: Literal["ready", "not ready"]
    failing: list[str]


class Pulse:
    """Asks the engines whether they answer; many who ask at once share one round."""

    def __init__(self, engines: Mapping[Role, Engine]) -> None:
        self._engines = engines
        self._failing: list[str] = []
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def failing(self) -> list[str]:
        """Roles whose model does not answer."""
        async with self._lock:
            if time.monotonic() >= self._until:
                self._failing = await self._ask()
                kept = FAILURE_KEPT if self._failing else KEPT
                self._until = time.monotonic() + kept
        return self._failing

    async def _ask(self) -> list[str]:
        engines = list({id(engine): engine for engine in self._engines.values()}.values())
        alive = await together(_answers(engine) for engine in engines)
        dead = [id(engine) for engine, lives in zip(engines, alive, strict=True) if not lives]
        return [role for role, engine in self._engines.items() if id(engine) in dead]


async def _answers(engine: Engine) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            await engine.sample(GREETING)
    except (EngineError, TimeoutError) as error:
        log.warning("%s does not answer: %s", engine.spec, error or "too slow")
        return False
    return True


def health_router(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["operation"])
    pulse = Pulse(service.engines)

    @router.get("/health")
    async def health() -> Health:
        """Say that the process lives."""
        return Health()

    @router.get("/ready", responses={503: {"model": Readiness}}, response_model=Readiness)
    async def ready() -> Response:
        """Say whether every model answers."""
        failing = await pulse.failing()
        found = Readiness(status="not ready" if failing else "ready", failing=failing)
        return JSONResponse(found.model_dump(), 503 if failing else 200)

    @router.get("/metrics", responses={401: RESPONSES[401]}, response_class=Response)
    async def metrics() -> Response:
        """Give the counts, in Prometheus' text form."""
        text = generate_latest(service.metrics.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return router
