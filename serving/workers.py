"""Runs under way: each in a child process of its own, ``python -m reason runs resume``.

A child rather than a task of the server's event loop, because a run on a model in the process keeps
a core busy, verifies a million steps in one go, and may die of llama.cpp or of memory. None of that
may slow, stall or end the server; and what a child does is what the command line does, tests and
all. The two share nothing but the run directory: the child takes the run's lease, the server reads
its journal. Stopping is SIGTERM, on which a run ends resumably; a child that is killed loses
nothing either.
"""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reason.errors import UsageError
from serving.run_counts import RunCounts

LOOK_SECONDS = 5.0  # between looks at what a run under way has come to
CLOSING_SECONDS = 10.0  # what the children have to end by themselves when the server stops


class Conflict(UsageError):
    """The run is not in a state in which that can be asked of it."""


@dataclass
class _Child:
    """A run's process (None until it has started) and the task that attends to it."""

    task: asyncio.Task[None] | None = None
    process: Process | None = None
    stopping: bool = False


class Workers:
    """The runs that this server works on, by name; at most ``most`` at once.

    Args:
        most: runs at once.
        counts: told of each run, where runs are counted.
    """

    def __init__(self, most: int, counts: RunCounts | None = None) -> None:
        self._most, self._counts = most, counts
        self._children: dict[str, _Child] = {}
        self._complaints: dict[str, str] = {}
        if counts is not None:
            counts.watch(lambda: len(self._children))

    def holds(self, name: str) -> bool:
        """Whether a run is under way here."""
        return name in self._children

    def stopping(self, name: str) -> bool:
        """Whether a run was asked to stop and has not stopped yet."""
        child = self._children.get(name)
        return child is not None and child.stopping

    def complaint(self, name: str) -> str:
        """The last thing a run's process said before it failed."""
        return self._complaints.get(name, "")

    def check_room(self) -> None:
        """Raise Conflict where one more run would be too many."""
        if len(self._children) >= self._most:
            raise Conflict(
                f"{self._most} runs are under way, as many as this server works on at once: "
                "cancel one, or wait"
            )

    def start(self, path: Path) -> None:
        """Work on the run in ``path``. Raises Conflict."""
        name = path.name
        if name in self._children:
            raise Conflict(f"run {name} is under way already")
        self.check_room()
        self._complaints.pop(name, None)
        child = self._children[name] = _Child()
        child.task = asyncio.create_task(self._attend(path, child))

    def stop(self, name: str) -> None:
        """Ask a run to stop; it ends resumably. Raises Conflict for one not under way here."""
        child = self._children.get(name)
        if child is None:
            raise Conflict(f"run {name} is not under way in this server")
        child.stopping = True
        _terminate(child.process)

    async def close(self) -> None:
        """Stop all runs and wait until they have; one that takes too long is killed."""
        for name in list(self._children):
            self.stop(name)
        tasks = [child.task for child in self._children.values() if child.task]
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSING_SECONDS)
        for child in self._children.values():
            if child.process is not None:
                with suppress(ProcessLookupError):
                    child.process.kill()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSING_SECONDS)

    async def _attend(self, path: Path, child: _Child) -> None:
        command = [sys.executable, "-P", "-m", "reason", "runs", "resume", str(path), "--quiet"]
        counts = self._counts
        try:
            if counts is not None:
                await asyncio.to_thread(counts.begin, path)
            child.process = await asyncio.create_subprocess_exec(
                *command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
            )
            if child.stopping:
                _terminate(child.process)
            talk = asyncio.ensure_future(child.process.communicate())
            if counts is not None:
                await _count(counts, path, talk)
            _, said = await talk
            if counts is not None:
                counts.end(path, child.process.returncode)
            if child.process.returncode and not child.stopping:
                self._complaints[path.name] = _last_line(said)
        except OSError as error:
            self._complaints[path.name] = f"no process could be started: {error.strerror}"
        finally:
            del self._children[path.name]


async def _count(counts: RunCounts, path: Path, ended: "asyncio.Future[Any]") -> None:
    """Look at a run now and then, and once more when its process has ended."""
    while not ended.done():
        await asyncio.wait({ended}, timeout=LOOK_SECONDS)
        await asyncio.to_thread(counts.look, path)


def _terminate(process: Process | None) -> None:
    if process is not None:
        with suppress(ProcessLookupError):
            process.terminate()


def _last_line(said: bytes) -> str:
    """The complaint in what a process wrote; the line before it may tell how to resume."""
    lines = said.decode(errors="replace").strip().splitlines()
    told = [line for line in lines if line.startswith("reason: ")] or lines
    return told[-1][:1000] if told else "the process ended without a word"
