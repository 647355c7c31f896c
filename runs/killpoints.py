"""Named points at which a durability test may kill the process for real.

``REASON_KILL_AT=name`` sends SIGKILL to this process the first time the point is reached, and
``name:N`` the N-th time. The choice is made once, at import: without the variable a point is an
empty call.
"""

import os
import signal
from collections.abc import Callable

VARIABLE = "REASON_KILL_AT"


def _armed(name: str, count: int) -> Callable[[str], None]:
    left = count

    def reach(point: str) -> None:
        nonlocal left
        if point == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return reach


def _idle(_: str) -> None:
    return None


def _bind() -> Callable[[str], None]:
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return _idle
    name, _, count = wanted.partition(":")
    return _armed(name, int(count or 1))


reach = _bind()
