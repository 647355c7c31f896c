"""Keeping a server up: start, wait until it answers, restart after a crash, leave nothing behind.

A server that dies before it ever answered has refused its model, and is not tried again. One that
dies later is started anew after a growing pause; after five crashes with no ten quiet minutes in
between it is given up. A server and all its children are one process group, which is ended as a
whole; :mod:`engines.leash` ends it even if this process is killed.
"""

import asyncio
import codecs
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic

import engines.leash
from engines.launcher import Plan
from engines.models_list import list_models
from reason.errors import EngineError

RESTARTS = 5
QUIET_SECONDS = 600.0  # a server that has served so long starts with a clean sheet
LONGEST_PAUSE = 30.0
GRACE_SECONDS = 20.0
POLL_SECONDS = 0.2
LAST_LINES = 3


class Child:
    """A server's process group and the last lines that it wrote.

    Args:
        process: its leader, with stdout and stderr in one pipe.
        on_line: gets each line.
    """

    def __init__(self, process: asyncio.subprocess.Process, on_line: Callable[[str], None]) -> None:
        self.process, self._on_line = process, on_line
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._reading = asyncio.create_task(self._read())

    @property
    def running(self) -> bool:
        """Whether the leader runs. ``process.wait()`` would wait for its children's pipes too."""
        return self.process.returncode is None

    async def _read(self) -> None:
        """Lines of any length; progress bars end theirs by a carriage return."""
        assert self.process.stdout is not None
        decoder, rest = codecs.getincrementaldecoder("utf-8")("replace"), ""
        while chunk := await self.process.stdout.read(65536):
            *lines, rest = re.split(r"[\r\n]+", rest + decoder.decode(chunk))
            for line in filter(str.strip, lines):
                self._keep(line)
        if rest.strip():
            self._keep(rest)

    def _keep(self, line: str) -> None:
        self._last.append(line.strip()[:300])
        self._on_line(line)

    def last_words(self) -> str:
        """How the process ended, and its last lines in one; to be read after :meth:`end`."""
        code = self.process.returncode or 0
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return ": ".join(filter(None, (how, " | ".join(self._last))))

    async def end(self) -> None:
        """End the whole group: politely, then surely."""
        self._signal(signal.SIGTERM)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), GRACE_SECONDS)
        finally:
            self._signal(signal.SIGKILL)
        await self.process.wait()
        await self._reading

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


class Supervisor:
    """Runs a plan until told to stop.

    Args:
        plan: the server.
        on_ready: called with the names that it serves, each time it begins to answer.
        on_line: gets each line that it writes.
        on_crash: gets one line on each crash that is followed by a restart.
        pause: seconds before the first restart; they double.
    """

    def __init__(
        self,
        plan: Plan,
        on_ready: Callable[[tuple[str, ...]], None],
        on_line: Callable[[str], None],
        on_crash: Callable[[str], None],
        pause: float = 1.0,
    ) -> None:
        self._plan, self._pause = plan, pause
        self._on_ready, self._on_line, self._on_crash = on_ready, on_line, on_crash
        self._served = False

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set. Raises EngineError when the server cannot be kept up."""
        crashes = 0
        while True:
            words, seconds = await self._serve_once(stop)
            if stop.is_set():
                return
            if not self._served:
                raise EngineError(f"{self._plan.engine} did not start: {words}")
            crashes = 1 if seconds >= QUIET_SECONDS else crashes + 1
            if crashes > RESTARTS:
                raise EngineError(f"{self._plan.engine} crashed {crashes} times, last: {words}")
            pause = min(LONGEST_PAUSE, self._pause * 2 ** (crashes - 1))
            self._on_crash(
                f"{self._plan.engine} crashed ({words}); restart {crashes} of {RESTARTS} "
                f"in {pause:g} s"
            )
            await _set_within(stop, pause)

    async def _serve_once(self, stop: asyncio.Event) -> tuple[str, float]:
        """One life of the server: its last words, and the seconds for which it answered."""
        child = await self._start()
        since = None
        try:
            if await self._answers(child, stop):
                since = monotonic()
            while child.running and not await _set_within(stop, POLL_SECONDS):
                pass
            seconds = 0.0 if since is None else monotonic() - since
        finally:
            await child.end()
        return child.last_words(), seconds

    async def _start(self) -> Child:
        leash = [sys.executable, "-P", str(Path(engines.leash.__file__))]
        process = await asyncio.create_subprocess_exec(
            *leash,
            *self._plan.command,
            env={**os.environ, **self._plan.environment, "PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        return Child(process, self._on_line)

    async def _answers(self, child: Child, stop: asyncio.Event) -> bool:
        """Wait until the server answers; False if it died or is to stop.

        There is no time limit: a large model may be on its way over the network for an hour.
        """
        while child.running and not stop.is_set():
            names = await list_models(self._plan.url)
            if names is not None and child.running:
                self._served = True
                self._on_ready(tuple(names) or self._plan.names)
                return True
            await _set_within(stop, POLL_SECONDS)
        return False


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, but not for long."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
