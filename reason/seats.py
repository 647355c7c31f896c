"""The engines of a run: opened once each, and given their places."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from agents.microagent import Microagent
from agents.pipeline import Draft, ModelDraft, Pipeline, TaskDraft
from engines.base import Engine
from engines.options import EngineOptions
from engines.spec import open_engine
from reason.settings import RunOptions
from reason.telemetry import tracing


@asynccontextmanager
async def open_engines(specs: Sequence[str], options: EngineOptions) -> AsyncIterator[list[Engine]]:
    """Engines for the specs, each opened once, closed at the end."""
    async with AsyncExitStack() as stack:
        opened: dict[str, Engine] = {}
        for spec in specs:
            if spec not in opened:
                opened[spec] = _traced(open_engine(spec, options), options)
                stack.push_async_callback(opened[spec].close)
        yield [opened[spec] for spec in specs]


def _traced(engine: Engine, options: EngineOptions) -> Engine:
    if not tracing():
        return engine
    from engines.traced import Traced

    return Traced(engine, options.trace_share)


class Seats(NamedTuple):
    """The engines of a run by what they do."""

    voters: list[Engine]
    escalation: Engine | None
    drafters: list[Engine]


def seats(options: RunOptions, engines: Sequence[Engine]) -> Seats:
    """The engines of :func:`reason.run_config.model_specs` in their places."""
    voters, rest = list(engines[: len(options.model)]), list(engines[len(options.model) :])
    return Seats(voters, rest.pop(0) if options.escalate_model else None, rest)


def step_pipeline(agent: Microagent, options: RunOptions, drafters: Sequence[Engine]) -> Pipeline:
    """What decides steps in this process."""
    if options.speculate == "none":
        return Pipeline(agent)
    draft: Draft | None = None
    if options.speculate == "draft":
        draft = ModelDraft(agent, drafters[0]) if drafters else TaskDraft(agent.task)
    return Pipeline(agent, options.window, draft)
