"""Comparing expressions by math-verify, in a process of its own that the system ends in time.

Models write what users make them write, and some expressions take sympy for ever: ``9^{9^{9}}``.
Nothing inside a process interrupts one long multiplication, not even a signal handler, so a child
compares, under an alarm that ends it and a limit to its memory; the next comparison starts another
child. An expression that ended one is not tried again.
"""

import atexit
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

LIMIT = 3.0  # seconds of one comparison
MEMORY = 4 * 2**30  # bytes of the child
REMEMBERED = 4096  # expressions known to be no trouble

HOME = Path(__file__).resolve().parents[2]

_PLAIN = re.compile(r"-?\d+(?:\.\d+)?")


class Comparer:
    """Asks a child process, which is started when it is first needed."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._hopeless: set[str] = set()
        self._sound: set[str] = set()

    def same(self, gold: str, answer: str) -> bool:
        """Whether the answer is worth as much as the gold one; False when that takes too long."""
        with self._lock:
            if self._hopeless & {gold, answer}:
                return False
            said = self._said(gold, answer)
            if not said:
                self._blame(gold, answer)
            return said == "1\n"

    def _said(self, gold: str, answer: str) -> str:
        """What the child says; nothing when that ended it."""
        said = self._ask(json.dumps([gold, answer]))
        if not said:
            self._end()
        elif len(self._sound) < REMEMBERED:
            self._sound |= {gold, answer}
        return said

    def _blame(self, *texts: str) -> None:
        """Give up the expression that ended the child, and not the one it was compared with."""
        suspects = [text for text in texts if not _PLAIN.fullmatch(text)]
        suspects = [text for text in suspects if text not in self._sound] or suspects
        if len(suspects) > 1:  # one that is no trouble by itself leaves the other
            suspects = suspects[1:] if self._said(suspects[0], "0") else suspects[:1]
        self._hopeless |= set(suspects)

    def _ask(self, line: str) -> str:
        child = self._child = self._child or self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(f"{line}\n")
            child.stdin.flush()
            return child.stdout.readline()
        except BrokenPipeError:
            return ""

    def _start(self) -> "subprocess.Popen[str]":
        atexit.register(self.close)
        path = os.pathsep.join(filter(None, [str(HOME), os.environ.get("PYTHONPATH")]))
        return subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C is meant for the parent
        )

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._end()
            atexit.unregister(self.close)


def serve() -> None:
    """The child: a line with a pair comes in, a line with 1 or 0 goes out."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from math_verify import parse, verify

    @lru_cache(maxsize=4096)
    def parsed(text: str) -> Any:
        return parse(f"${text}$", parsing_timeout=None)

    for line in sys.stdin:
        gold, answer = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, LIMIT)  # nobody handles it: it ends the process
        try:
            same = bool(verify(parsed(gold), parsed(answer), timeout_seconds=None))
        except Exception:  # sympy raises whatever it likes on what it cannot compare
            same = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.write(f"{same:d}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
