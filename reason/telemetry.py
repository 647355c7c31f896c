"""Traces by OpenTelemetry: on where the environment names an OTLP endpoint, else off.

    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 reason solve ...

Spans are made of runs, of their phases and chunks, of questions, and of calls to models. Within a
run only a small share of the calls is traced (``trace_share``); of questions, all are.
Every layer may import this module; it imports nothing of the project but errors.
"""

import atexit
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from reason.errors import UsageError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


@cache
def tracing() -> bool:
    """Whether spans go anywhere; the first call sets the exporter up.

    Raises UsageError where an endpoint is set but the extra is not installed.
    """
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return False
    if importlib.util.find_spec("opentelemetry") is None:
        raise UsageError(
            "OTEL_EXPORTER_OTLP_ENDPOINT needs the otel extra: pip install 'reason[otel]'"
        )
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from reason import __version__

    resource = Resource.create({"service.name": "reason", "service.version": __version__})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    atexit.register(provider.shutdown)
    return True


@contextmanager
def span(name: str, **attributes: Any) -> Iterator[None]:
    """A span around a block, where traces are on; attributes are named ``reason.NAME``."""
    if not tracing():
        yield
        return
    from opentelemetry import trace

    named = {f"reason.{key}": value for key, value in attributes.items() if value is not None}
    with trace.get_tracer("reason").start_as_current_span(name, attributes=named):
        yield
