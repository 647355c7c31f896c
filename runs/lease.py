"""One writer a run: a file lock, which the operating system frees however its holder dies.

The holder's process number stands in a file beside the lock, for messages alone: after a crash it
may be stale, and nothing is ever decided by it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from reason.errors import StorageError, UsageError

# Looking whether a run is being written takes the lock for an instant; a writer that starts in
# that instant must not be refused.
PATIENCE_SECONDS = 0.5


@contextmanager
def hold(directory: Path, run_id: str) -> Iterator[None]:
    """Be the only writer of a run directory.

    Raises UsageError while another process is, StorageError where no lock can be taken.
    """
    lock, owner = FileLock(directory / "run.lock"), directory / "run.pid"
    try:
        lock.acquire(timeout=PATIENCE_SECONDS, poll_interval=0.02)
    except Timeout:
        raise UsageError(
            f"run {run_id} is being written by another process{_owner(owner)}: wait until it "
            "ends, or stop it"
        ) from None
    except OSError as error:
        raise _unwritable(directory, error) from None
    try:
        _note(owner)
        yield
    finally:
        with suppress(OSError):
            owner.unlink()
        lock.release()


def is_held(directory: Path) -> bool:
    """Whether a process, this one included, is writing the run."""
    lock = directory / "run.lock"
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # no lock can be taken here, so nobody of this user holds one
        return False


def _owner(path: Path) -> str:
    try:
        return f" (pid {int(path.read_text(encoding='utf-8'))})"
    except (OSError, ValueError):
        return ""


def _note(path: Path) -> None:
    try:
        path.write_text(str(os.getpid()), encoding="utf-8")
    except OSError as error:
        raise _unwritable(path.parent, error) from None


def _unwritable(directory: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot write in {directory}: {error.strerror or error}; free some space or make it "
        "writable, then try again"
    )
