"""Traces as a collector gets them: real OTLP over HTTP on loopback, read by their own protocol."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk", reason="needs the otel extra")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

from tests.reason.command import reason

Spans = list[tuple[str, dict[str, Any]]]


@contextmanager
def collector() -> Iterator[tuple[dict[str, str], Spans]]:
    """An OTLP collector: the environment that points to it, and the spans that came in."""
    spans: Spans = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    spans.extend((span.name, _plain(span.attributes)) for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}, spans
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def test_a_run_leaves_spans_and_a_share_of_its_calls() -> None:
    with collector() as (env, spans):
        done = reason("solve", "hanoi", "-n", "6", "-m", "sim", "--trace-share", "0.5", env=env)
        assert done.code == 0, done.err
    names = [name for name, _ in spans]
    assert {"reason.run", "reason.chunk", "reason.verify"} <= set(names)
    calls = [attributes for name, attributes in spans if name.startswith("text_completion ")]
    assert 10 < len(calls) < 53  # of 63
    assert {call["gen_ai.request.model"] for call in calls} == {"simulated()"}
    assert calls[0]["gen_ai.usage.output_tokens"] > 0
    (run,) = [attributes for name, attributes in spans if name == "reason.run"]
    assert run["reason.task"] == "hanoi-6"


def test_a_question_leaves_every_call() -> None:
    with collector() as (env, spans):
        question = ("solve", "What is 12 * 34?", "-m", "sim", "--strategy", "vote", "--json")
        done = reason(*question, "--kind", "number", env=env)
        assert done.code == 0, done.err
    calls = [attributes for name, attributes in spans if name.startswith("chat ")]
    assert sum(call["gen_ai.request.choice.count"] for call in calls) == done.data["calls"]
    tokens = sum(call["gen_ai.usage.output_tokens"] for call in calls)
    assert tokens == done.data["completion_tokens"]


def test_a_collector_that_is_away_does_not_hurt_the_run() -> None:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    done = reason("solve", "hanoi", "-n", "3", "-m", "sim", "--json", env=env)
    assert done.data["status"] == "solved"
