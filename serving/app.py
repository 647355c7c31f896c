"""The HTTP application: routes behind what guards, takes in and counts every request.

Further routes join by ``app.include_router``; they get the same errors, keys, limits and counts.
The service is at ``app.state.service``.
"""

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reason import __version__
from serving.chat import chat_router
from serving.errors import add_handlers
from serving.guard import Guard, Intake
from serving.health import health_router
from serving.metrics import Metrics
from serving.models import models_router
from serving.responses import responses_router
from serving.service import Service


def create_app(service: Service) -> FastAPI:
    """The application of a service."""
    app = FastAPI(
        title="reason",
        version=__version__,
        docs_url=None,  # the pages of docs would load scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    terms = service.terms
    # What is added last stands first.
    app.add_middleware(Intake, most=terms.max_body, seconds=terms.body_seconds)
    app.add_middleware(Guard, keys=service.keys)
    app.add_middleware(Counted, metrics=service.metrics)
    add_handlers(app)
    app.include_router(chat_router(service))
    app.include_router(responses_router(service))
    app.include_router(models_router(service))
    app.include_router(health_router(service))
    return app


class Counted:
    """Counts requests by the route that took them and the status that they got."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, and count it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = "500"

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, sent)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self.metrics.requests.labels(route, status).inc()
