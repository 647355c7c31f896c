"""``python -P leash.py COMMAND...``: become COMMAND, but never outlive the process that started it.

Linux sends SIGTERM when the parent dies, however it dies; elsewhere the parent must see to it. The
wish survives ``exec``, so any server can be put on the leash. Imports nothing of this project: it
is run by its path.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie the knot, then become the command."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    try:
        os.execvp(sys.argv[1], sys.argv[1:])
    except OSError as error:
        sys.exit(f"cannot start {sys.argv[1]}: {error.strerror}")


if __name__ == "__main__":
    main()
