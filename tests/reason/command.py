"""Running the real command in a child process, as a user would."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

COMMAND = [sys.executable, "-W", "error", "-m", "reason"]


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        assert self.out.count("\n") == 1, self.out
        data: dict[str, Any] = json.loads(self.out)
        return data

    @property
    def complaint(self) -> str:
        """The one line that a failed command prints."""
        assert "Traceback" not in self.err
        (line,) = self.err.strip().splitlines()
        assert line.startswith("reason: error: ")
        return line


def reason(*arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> Outcome:
    """Run ``reason`` to its end."""
    import os

    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def start(arguments: Sequence[str], env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start ``reason`` and leave it running."""
    import os

    return subprocess.Popen(
        [*COMMAND, *arguments],
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
