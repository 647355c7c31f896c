"""The ``reason`` command.

Exit codes: 0 solved and verified (or the command did what it says), 1 finished but wrong, 2 bad
usage or configuration, 3 budget reached, 4 engine or storage failure, 5 no convergence, 130
interrupted. All but 0, 1 and 2 leave a run that ``reason runs resume`` goes on with.

A failure is one line on stderr; with ``--json`` it is also one object on stdout.
"""

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import Abort, TyperException

from reason import __version__
from reason.errors import Interrupted, ReasonError, StorageError, UsageError


@contextmanager
def _own_endings() -> Iterator[None]:
    """Tell of interrupts and broken pipes before typer does, which ends without a word."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("interrupted") from None
    except BrokenPipeError:  # the reader of a pipe left; nothing to tell anyone
        from reason.commands.common import drop_stdout

        drop_stdout()
        raise typer.Exit(0) from None
    except SystemExit as left:  # rich's way of telling the same
        if isinstance(left.__context__, BrokenPipeError):
            raise typer.Exit(0) from None
        raise


class _Root(TyperGroup):
    def make_context(self, *arguments: Any, **more: Any) -> Any:
        with _own_endings():
            return super().make_context(*arguments, **more)

    def invoke(self, ctx: Any) -> Any:
        with _own_endings():
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Root,
    name="reason",
    help="Very long reasoning without an error, on small and cheap language models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _add_commands() -> None:
    from reason.commands import (
        config,
        engine,
        estimate,
        evaluate,
        models,
        runs,
        serve,
        solve,
        task,
        train,
    )

    app.add_typer(solve.app, name="solve")
    app.add_typer(estimate.app, name="estimate")
    app.add_typer(evaluate.app, name="eval")
    app.add_typer(runs.app, name="runs")
    app.add_typer(task.app, name="task")
    app.add_typer(models.app, name="models")
    app.add_typer(engine.app, name="engine")
    app.command("serve")(serve.serve)
    app.add_typer(train.app, name="train")
    app.add_typer(config.app, name="config")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"reason {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Very long reasoning without an error, on small and cheap language models."""


def check_packages() -> None:
    """Refuse to run with somebody else's ``agents`` or ``tasks``: both are common names."""
    import agents
    import cluster
    import engines
    import runs
    import tasks

    home = Path(__file__).resolve().parent.parent
    for package in (agents, cluster, engines, runs, tasks):
        found = Path(str(package.__file__)).resolve().parent
        if found.parent != home:
            raise UsageError(
                f"the package {package.__name__!r} was imported from {found}, not from {home}: "
                "install reason into a virtual environment of its own"
            )


def main() -> None:
    """Run the command line and exit with its documented code."""
    _mend_streams()
    # SIGTERM is Ctrl-C to every command that has no way of its own to stop
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a script's background jobs have it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(_run())


def _mend_streams() -> None:
    """Stand in for streams that are closed, and print what stdout's encoding lacks in escapes."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # as descriptors go
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(nowhere, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _run() -> int:
    try:
        check_packages()
        _add_commands()
        result = app(standalone_mode=False)
        return result if isinstance(result, int) else 0
    except TyperException as error:
        # A command group without a command has shown its help and has no more to say.
        return _fail(error.format_message(), 2) if error.format_message() else 2
    except ReasonError as error:
        return _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, Abort):
        return _fail("interrupted", 130)


def _fail(message: str, code: int) -> int:
    line = " ".join(message.split())
    print(f"reason: error: {line}", file=sys.stderr)
    if "--json" in sys.argv:
        from reason.commands.common import print_json

        with suppress(StorageError):  # stdout may be what failed
            print_json({"error": line, "exit_code": code})
    return code
