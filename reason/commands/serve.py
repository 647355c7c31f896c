"""``reason serve``: strategies as models for any OpenAI client; needs the ``serve`` extra."""

import asyncio
import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.budget import Limits
from agents.spending import Spending
from reason.asking import EMBEDDED, AskOptions
from reason.commands.asking import ask_options, asks
from reason.commands.common import stderr
from reason.commands.question import answer_kind
from reason.errors import UsageError
from reason.seats import open_engines
from reason.settings import load_settings

if TYPE_CHECKING:
    from serving.keys import Keys
    from serving.service import Terms

NEEDED = ("fastapi", "uvicorn", "prometheus_client")


@asks("engine_cluster", parallel=64)
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8080,
    api_key_file: Annotated[
        Path | None, typer.Option(help="File of API keys, one a line. [default: REASON_API_KEYS]")
    ] = None,
    kind: Annotated[str, typer.Option(help="Of answers: text, number, letter, math.")] = "text",
    queue: Annotated[int, typer.Option(min=0, help="Questions that may wait.")] = 1024,
    budget_seconds: Annotated[float | None, typer.Option(help="Seconds of one question.")] = None,
    max_body: Annotated[int, typer.Option(min=1, help="Bytes of a request.")] = 2**20,
    **flags: Any,
) -> None:
    """Serve the strategies as models, for any OpenAI client."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError("serving needs the serve extra: pip install 'reason[serve]'")
    from serving.guard import is_loopback
    from serving.keys import load_keys
    from serving.service import Terms

    micro = (flags["model"] or load_settings({}).model[0]) == EMBEDDED
    options = ask_options("daslam" if micro else "auto", flags)
    keys = load_keys(api_key_file)
    if not keys and not is_loopback(host):
        raise UsageError(
            f"--host {host} is open to others: give --api-key-file FILE or REASON_API_KEYS"
        )
    seconds = load_settings({"budget_seconds": budget_seconds}).budget_seconds
    limits = Limits(options.budget_tokens, options.budget_usd, seconds)
    answers = answer_kind("number" if micro else kind)
    terms = Terms(options.manner, limits, answers, max_body, check=options.check_question)
    asyncio.run(_serve(options, terms, keys, (host, port), (flags["parallel"], queue)))


async def _serve(
    options: AskOptions,
    terms: "Terms",
    keys: "Keys",
    address: tuple[str, int],
    sizes: tuple[int, int],
) -> None:
    """Open the engines and serve until told to stop."""
    from serving.app import create_app
    from serving.dashboard import mount_dashboard
    from serving.gate import Gate
    from serving.metrics import Metrics
    from serving.run_counts import RunCounts
    from serving.runs_api import runs_router
    from serving.runs_service import RunsService
    from serving.server import Server, address_of, listen, raise_open_files
    from serving.service import Service

    raise_open_files()
    settings = load_settings({})
    gate = Gate(*sizes)
    metrics = Metrics(gate)
    engine_options = replace(options.engine, retried=metrics.retried)
    roles = list(options.opened)
    with listen(*address) as listening:
        async with open_engines(list(options.opened.values()), engine_options) as opened:
            engines = dict(zip(roles, opened, strict=True))
            if terms.limits.usd is not None and not Spending(opened).is_priced:
                raise UsageError("--budget-usd cannot be kept: the price of a model is unknown")
            prompts = options.words()
            service = Service(engines, prompts, gate=gate, metrics=metrics, terms=terms, keys=keys)

            def started() -> None:
                line = f"reason: serving {', '.join(service.models)} at {address_of(listening)}/v1"
                stderr.print(line, highlight=False, soft_wrap=True)

            app = create_app(service)
            runs = RunsService(
                settings.runs_dir,
                settings.options(),
                settings.journal_url,
                counts=RunCounts(metrics),
            )
            app.include_router(runs_router(runs))
            mount_dashboard(app)
            await Server(app, started, service.stop).serve([listening])
