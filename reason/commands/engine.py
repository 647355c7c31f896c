"""``reason engine``: a local server for a model, and a look at what answers behind a spec."""

import asyncio
import signal
from typing import Annotated

import typer

from engines.launcher import Plan, Wish, plan, read_adapters
from engines.probe import probe
from engines.spec import EngineOptions
from reason.commands.common import print_json, stderr
from tasks.hanoi.task import BUNDLED

app = typer.Typer(help="Start a local server for a model, or check one.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.callback()
def group() -> None:
    """Safetensors are served by vLLM on a GPU, GGUF files by llama.cpp anywhere."""


@app.command()
def up(
    model: Annotated[
        str, typer.Argument(help="embedded, FILE.gguf, a folder of safetensors, or OWNER/NAME.")
    ],
    flags: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- FLAGS]", help="Further flags, passed to the server as written."
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on loopback; 0 takes a free one.")
    ] = 8000,
    adapter: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=DIR", help="LoRA adapter to serve too; may be repeated (vLLM)."),
    ] = None,
    data_parallel: Annotated[int, typer.Option(min=1, help="Copies of the model (vLLM).")] = 1,
    vllm_python: Annotated[
        str | None, typer.Option(help="Python that has vLLM. [default: this one, or vllm on PATH]")
    ] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Drop the server's log.")] = False,
) -> None:
    """Serve a model on 127.0.0.1 until Ctrl-C; prints the spec to use once it answers.

    For example ``reason engine up embedded``, or
    ``reason engine up Qwen/Qwen3-8B --data-parallel 2 -- --max-model-len 8192``.
    """
    adapters = read_adapters(adapter or [])
    wish = Wish(model, port, adapters, data_parallel, vllm_python, flags or [])
    asyncio.run(_serve(plan(wish, BUNDLED), as_json=as_json, quiet=quiet))


async def _serve(chosen: Plan, *, as_json: bool, quiet: bool) -> None:
    """Supervise until Ctrl-C or SIGTERM; a second Ctrl-C ends the process as usual."""
    from engines.supervisor import Supervisor

    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def press() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, press)
    announced = False

    def ready(names: tuple[str, ...]) -> None:
        nonlocal announced
        if announced:
            tell(f"{chosen.engine} answers again")
        else:
            announce(chosen, names, as_json=as_json)
        announced = True

    log = (lambda _: None) if quiet else tell
    await Supervisor(chosen, ready, log, tell).run(stop)


def tell(line: str) -> None:
    """One line on stderr, as it is."""
    stderr.print(line, highlight=False, markup=False, soft_wrap=True)


def announce(chosen: Plan, names: tuple[str, ...], *, as_json: bool) -> None:
    """Say how the server is used: a spec a line, the model first, then its adapters."""
    specs = {name: f"{chosen.url}#{name}" for name in names}
    if as_json:
        first = next(iter(specs.values()))
        print_json({"engine": chosen.engine, "url": chosen.url, "spec": first, "specs": specs})
    else:
        for spec in specs.values():
            typer.echo(spec)
        tell(f"{chosen.engine} serves {', '.join(names)}; Ctrl-C stops it")


@app.command()
def check(
    spec: Annotated[str, typer.Argument(help="Model spec, such as http://127.0.0.1:8000/v1#NAME.")],
    as_json: Json = False,
) -> None:
    """Ask for one token and tell what answered."""
    options = EngineOptions(bundled=lambda: BUNDLED, retries=1, timeout=60)
    found = asyncio.run(probe(spec, options))
    if as_json:
        print_json({"spec": spec, **found._asdict()})
    else:
        by = f" ({found.server})" if found.server else ""
        typer.echo(
            f"{found.model}{by} answered {found.answer!r} in {found.seconds:.2f} s, "
            f"{found.prompt_tokens} tokens in, {found.completion_tokens} out, by {found.form}"
        )
