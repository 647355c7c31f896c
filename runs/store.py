"""Run directories: one directory a run, and nothing about a run anywhere else.

    run.json             configuration, version, id, time and command; written once, atomically
    journal.sqlite       the truth (see runs.journal)
    checkpoints.sqlite   LangGraph's checkpoints; may be dropped at any time
    summary.json         the outcome of the last session; rewritten atomically
    run.lock             held by the process that writes

A run is written by one process at a time. The lease is a file lock, which the operating system
releases however the process dies.
"""

import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from reason import __version__
from reason.errors import StorageError, UsageError
from runs.journal import Journal

FORMAT = 1


class RunDir:
    """A run directory that exists. Open one with :func:`open_run`, :func:`find` or :func:`create`."""

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self._manifest = manifest

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self._manifest["run_id"])

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration that the run was started with."""
        config: dict[str, Any] = self._manifest["config"]
        return config

    @property
    def created(self) -> str:
        """When the run was made, ISO 8601 in UTC."""
        return str(self._manifest["created"])

    @property
    def checkpoints_path(self) -> Path:
        """The file of LangGraph's checkpointer."""
        return self.path / "checkpoints.sqlite"

    def journal(self, genesis: bytes, *, readonly: bool = False) -> Journal:
        """Open the run's journal."""
        return Journal(self.path / "journal.sqlite", genesis, readonly=readonly)

    def write_config(self, config: dict[str, Any]) -> None:
        """Replace the saved configuration (limits may change between sessions)."""
        self._manifest = {**self._manifest, "config": config}
        write_json(self.path / "run.json", self._manifest)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Keep the outcome of a session."""
        write_json(self.path / "summary.json", summary)

    def summary(self) -> dict[str, Any] | None:
        """The outcome of the last session, or None before the first has ended."""
        try:
            data = json.loads((self.path / "summary.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return data if isinstance(data, dict) else None

    def status(self) -> str:
        """``running``, the last session's status, or ``unfinished`` after a crash."""
        if self._locked():
            return "running"
        summary = self.summary()
        return str(summary["status"]) if summary and "status" in summary else "unfinished"

    def _locked(self) -> bool:
        lock = self.path / "run.lock"
        if not lock.exists():
            return False
        try:
            with FileLock(lock, timeout=0):
                return False
        except Timeout:
            return True
        except OSError:  # a read-only directory cannot be written by anyone
            return False

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Be the run's only writer. Raises UsageError while another process is."""
        lock = FileLock(self.path / "run.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise UsageError(
                f"run {self.run_id} is being written by another process{self._owner()}: wait for "
                "it to end, or stop it"
            ) from None
        except OSError as error:
            raise StorageError(f"cannot write in {self.path}: {error.strerror}") from None
        try:
            _write_owner(self.path / "run.pid")
            yield
        finally:
            (self.path / "run.pid").unlink(missing_ok=True)
            lock.release()

    def _owner(self) -> str:
        try:
            return f" (pid {int((self.path / 'run.pid').read_text(encoding='utf-8'))})"
        except (OSError, ValueError):
            return ""

    def prune(self) -> int:
        """Drop samples and checkpoints; returns the bytes freed."""
        before = self._size()
        with self.lease():
            genesis = _genesis(self.path / "journal.sqlite")
            if genesis is not None:
                with self.journal(genesis) as journal:
                    journal.prune()
            for path in self.path.glob("checkpoints.sqlite*"):
                path.unlink()
        return before - self._size()

    def _size(self) -> int:
        return sum(path.stat().st_size for path in self.path.iterdir() if path.is_file())


class BrokenRun(RunDir):
    """A directory that looks like a run but cannot be read; listed, never opened."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, {"run_id": path.name, "config": {}, "created": ""})
        self.reason = reason

    def status(self) -> str:
        """``broken`` and why."""
        return f"broken: {self.reason}"


def _genesis(path: Path) -> bytes | None:
    import sqlite3

    if not path.is_file():
        return None
    with sqlite3.connect(path) as db:
        row = db.execute("SELECT value FROM meta WHERE key = 'genesis'").fetchone()
    db.close()
    return bytes.fromhex(row[0]) if row else None


def _write_owner(path: Path) -> None:
    try:
        path.write_text(str(os.getpid()), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}; free some space") from None


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write a file so that after any crash it holds the old content or the new. StorageError."""
    partial = path.with_suffix(".partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            json.dump(data, file, indent=2, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror}; free some space or make it writable, then go "
            "on with `reason runs resume`"
        ) from None


def new_id(label: str) -> str:
    """``hanoi-10-20260131-174501-k3f9``: what, when, and four random letters."""
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return f"{label}-{moment}-{secrets.token_hex(2)}"


def create(base: Path, name: str | None, config: dict[str, Any], label: str) -> RunDir:
    """Make a new run directory ``base/name`` (a fresh id without a name).

    Raises UsageError for a directory that holds something else, StorageError if it cannot be made.
    """
    path = base / (name or new_id(label))
    try:
        path.mkdir(parents=True, exist_ok=True)
        occupied = any(path.iterdir())
    except FileExistsError:
        raise UsageError(f"{path} is a file: name a new or empty directory") from None
    except OSError as error:
        raise StorageError(f"cannot make {path}: {error.strerror}") from None
    if occupied:
        raise UsageError(f"{path} holds files but no run: name a new or empty directory")
    manifest = {
        "format": FORMAT,
        "version": __version__,
        "run_id": path.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "config": config,
    }
    write_json(path / "run.json", manifest)
    return RunDir(path, manifest)


def open_run(path: Path) -> RunDir:
    """The run in ``path``. Raises UsageError, naming the file at fault."""
    file = path / "run.json"
    if not file.is_file():
        raise UsageError(f"{path} is not a run directory: it has no run.json")
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from None
    if not isinstance(manifest, dict) or not {"format", "run_id", "config", "created"} <= set(
        manifest
    ):
        raise UsageError(f"{file} is not the run.json of a run of reason")
    if manifest["format"] != FORMAT:
        raise UsageError(f"{file} has format {manifest['format']}: use the version that made it")
    return RunDir(path, manifest)


def find(base: Path, name: str) -> RunDir:
    """A run by directory, id, or the unique start of an id. Raises UsageError."""
    if Path(name).is_dir():
        return open_run(Path(name))
    if base.is_dir():
        matches = sorted(path for path in base.iterdir() if path.name.startswith(name))
        exact = [path for path in matches if path.name == name]
        if len(exact or matches) == 1:
            return open_run((exact or matches)[0])
        if matches:
            raise UsageError(f"{name!r} is the start of {len(matches)} runs: write more of the id")
    raise UsageError(f"no run {name!r} in {base}: `reason runs list` shows what there is")


def list_runs(base: Path) -> list[RunDir]:
    """All runs in ``base``, the newest first; one that cannot be read is a :class:`BrokenRun`."""
    runs: list[RunDir] = []
    for path in base.iterdir() if base.is_dir() else ():
        if path.is_dir():
            try:
                runs.append(open_run(path))
            except UsageError as error:
                runs.append(BrokenRun(path, str(error)))
    return sorted(runs, key=lambda run: (run.created, run.run_id), reverse=True)
