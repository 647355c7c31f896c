"""What the commands share: consoles, and running a session in the foreground."""

import asyncio
import json
import os
import signal
import sys
from typing import Any

from rich.console import Console

from agents.status import RunStatus, StopSwitch
from reason.display import show_progress, show_summary
from reason.errors import StorageError
from reason.run_config import RunConfig
from reason.session import run_session
from reason.summary import Summary
from runs.store import RunDir

# What rich takes for markup or an emoji may stand in an answer or a setting: print it as it is.
stderr = Console(stderr=True, markup=False, emoji=False)


def stdout() -> Console:
    """The console of what a person asked for; made when it is needed, as wide as it is then."""
    return Console(markup=False, emoji=False)


def print_json(data: dict[str, Any]) -> None:
    """One JSON object on stdout, escaped where its encoding lacks a character. StorageError."""
    text = json.dumps(data, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        text = json.dumps(data)
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the reader left
        raise
    except OSError as error:
        drop_stdout()
        raise StorageError(f"cannot write to stdout: {error.strerror}") from None


def drop_stdout() -> None:
    """Let what is still to be printed go nowhere: stdout takes no more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run_in_foreground(
    config: RunConfig, run: RunDir, *, as_json: bool, quiet: bool, changed: bool = False
) -> int:
    """Work on a run with progress and signal handling; returns the exit code.

    A ``changed`` configuration is saved, once no other process can be at work under the old one.
    """
    with run.lease():
        if changed:
            run.write_config(config.to_dict())
        summary = asyncio.run(_with_signals(config, run, quiet=quiet))
    report(summary, as_json=as_json, quiet=quiet)
    return summary.exit_code


async def _with_signals(config: RunConfig, run: RunDir, *, quiet: bool) -> Summary:
    """Ctrl-C and SIGTERM press the stop switch; a second Ctrl-C ends the process as usual."""
    switch, status = StopSwitch(), RunStatus()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        switch.press()
        loop.remove_signal_handler(signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    with show_progress(status, config.build_task().picture, stderr, quiet):
        return await run_session(config, run, status, switch)


def report(summary: Summary, *, as_json: bool, quiet: bool) -> None:
    """Print the outcome: JSON on stdout if asked for, a table and the way on otherwise."""
    if as_json:
        print_json(summary.model_dump(exclude={"message", "hash"}))
    if not quiet and not as_json:
        show_summary(summary, stdout())
    if summary.message:
        stderr.print(f"reason: {summary.message}", style="red", highlight=False, soft_wrap=True)
    if summary.status not in ("solved", "wrong"):
        way_on = f"resume with: reason runs resume {summary.run_dir}"
        stderr.print(way_on, highlight=False, soft_wrap=True)
