"""An engine whose calls leave spans, by OpenTelemetry's conventions for generative AI.

Only a share of the calls is traced, since a run of a million steps makes three million of them. An
engine that is not traced is not wrapped, so tracing that is off costs nothing.
"""

import random
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from engines.base import Engine, Request, Sample
from reason.errors import EngineError

PROVIDERS = {"openai": "openai", "gguf": "llama.cpp", "embedded": "llama.cpp", "sim": "simulated"}


class Traced:
    """See the module's text.

    Args:
        engine: whose calls are traced.
        share: of the calls, 0 to 1, chosen at random.
    """

    def __init__(self, engine: Engine, share: float) -> None:
        self._engine, self._share = engine, share
        self.spec, self.model, self.price = engine.spec, engine.model, engine.price
        self._tracer = trace.get_tracer("reason")
        self._provider = PROVIDERS.get(engine.spec.replace("/", ":").partition(":")[0], "server")

    async def sample(self, request: Request) -> list[Sample]:
        """Draw the samples; see :class:`engines.base.Engine`."""
        if self._share < 1 and random.random() >= self._share:
            return await self._engine.sample(request)
        chat = not isinstance(request.prompt, str)
        name = f"{'chat' if chat else 'text_completion'} {self.model}"
        attributes = {**self._asked(request), "gen_ai.operation.name": name.partition(" ")[0]}
        with self._tracer.start_as_current_span(
            name, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False
        ) as span:
            try:
                samples = await self._engine.sample(request)
            except EngineError as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(Status(StatusCode.ERROR, str(error)))
                raise
            span.set_attributes(_answered(samples))
            return samples

    def _asked(self, request: Request) -> dict[str, Any]:
        return {
            "gen_ai.provider.name": self._provider,
            "gen_ai.request.model": self.model,
            "gen_ai.request.max_tokens": request.max_tokens,
            "gen_ai.request.temperature": request.temperatures[-1],
            "gen_ai.request.choice.count": len(request.temperatures),
            "reason.first_draw": request.first,
        }

    async def close(self) -> None:
        """Free what the engine holds."""
        await self._engine.close()


def _answered(samples: list[Sample]) -> dict[str, Any]:
    return {
        "gen_ai.response.model": samples[0].model,
        "gen_ai.response.finish_reasons": [sample.finish for sample in samples],
        "gen_ai.usage.input_tokens": sum(sample.prompt_tokens for sample in samples),
        "gen_ai.usage.output_tokens": sum(sample.completion_tokens for sample in samples),
    }
