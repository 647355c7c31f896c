"""How engines are opened: one value for all kinds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engines.limiter import Limiters
from engines.simulated import Rehearse


@dataclass(frozen=True)
class EngineOptions:
    """How engines are opened.

    Attributes:
        concurrency: requests in flight to each server.
        limiters: where the engines of one server find the limit that they share.
        bundled: gives the micro model of ``embedded``; engines know no task, the caller does.
        rehearse: what a simulated model may answer.
        timeout: seconds that one request may take.
        retries: further attempts after a transient fault.
        backoff: seconds of the first wait between attempts; it doubles, with jitter.
        retried: told the model's name at every further attempt.
        lean: talk to servers over plain aiohttp in place of the openai client.
        prices: US dollars per million (prompt, completion) tokens by model name; they go before
            the price list's.
        trace_share: of the calls, in traces, where they are on.
        threads: CPU threads of an embedded model; None takes one for a micro model, else all cores.
    """

    concurrency: int = 16
    limiters: Limiters = field(default_factory=Limiters)
    bundled: Callable[[], Path] | None = None
    rehearse: Rehearse | None = None
    timeout: float = 600.0
    retries: int = 8
    backoff: float = 0.5
    retried: Callable[[str], None] = lambda model: None
    lean: bool = False
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    trace_share: float = 1.0
    threads: int | None = None
