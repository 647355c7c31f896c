"""Run directories: one directory a run, and nothing about a run anywhere else.

    run.json             configuration, version, id, time and command; written atomically
    journal.sqlite       the truth (see runs.journal), unless run.json names a server that keeps it
    checkpoints.sqlite   LangGraph's checkpoints, likewise; may be dropped at any time
    summary.json         the outcome of the last session; rewritten atomically
    run.lock, run.pid    held by the process that writes (see runs.lease)

What is found on disk is judged, never trusted: a directory that is no run is refused, a broken run
is listed with the reason and hinders no other.
"""

import hashlib
import json
import re
import secrets
import sys
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reason import __version__
from reason.errors import StorageError, UsageError
from runs.files import write_json
from runs.journal import Journal
from runs.lease import hold, is_held
from runs.storage import MissingJournal, Place, Server, check_server, drop_checkpoints

FORMAT = 1
_KEYS = {"format": int, "run_id": str, "config": dict, "created": str}
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # none that is taken for another


class RunDir:
    """A run directory that exists; see :func:`open_run`, :func:`find` and :func:`create`.

    Attributes:
        path: the directory.
    """

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
    def server(self) -> Server | None:
        """The schema on a server that keeps the journal, if that is not in the directory."""
        kept = self._manifest.get("journal")
        return None if kept is None else Server(kept["url"], kept["schema"], self.path)

    @property
    def place(self) -> Place:
        """Where the journal is."""
        return self.server or self.path / "journal.sqlite"

    @property
    def checkpoints_path(self) -> Path:
        """The file of LangGraph's checkpointer."""
        return self.path / "checkpoints.sqlite"

    def journal(
        self, genesis: bytes | None = None, *, readonly: bool = False, durable: bool = False
    ) -> Journal:
        """Open the run's journal; see :class:`runs.journal.Journal`."""
        text = json.dumps(self.config, sort_keys=True, ensure_ascii=False)
        labels = {"run_id": self.run_id, "config_sha256": _sha256(text)}
        return Journal(self.place, genesis, readonly=readonly, durable=durable, labels=labels)

    @property
    def has_journal(self) -> bool:
        """Whether a first session has come as far as making one."""
        return self.server is not None or (self.path / "journal.sqlite").is_file()

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
        if is_held(self.path):
            return "running"
        summary = self.summary()
        return str(summary["status"]) if summary and "status" in summary else "unfinished"

    def lease(self) -> AbstractContextManager[None]:
        """Be the run's only writer. Raises UsageError while another process is."""
        return hold(self.path, self.run_id)

    def prune(self) -> int:
        """Drop samples and checkpoints; returns the bytes freed. Steps and totals stay."""
        freed = self._size()
        with self.lease():
            with suppress(MissingJournal), self.journal() as journal:
                freed += journal.size()
                journal.prune()
                freed -= journal.size()
            if self.server is not None:
                drop_checkpoints(self.server)
            for path in self.path.glob("checkpoints.sqlite*"):
                path.unlink()
        return freed - self._size()

    def _size(self) -> int:
        return sum(path.stat().st_size for path in self.path.iterdir() if path.is_file())


class BrokenRun(RunDir):
    """A directory among the runs that cannot be read as one; listed, never opened."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, {"run_id": path.name, "config": {}, "created": ""})
        self.reason = reason

    def summary(self) -> None:
        """Nothing is known of it."""
        return None

    def status(self) -> str:
        """``broken`` and why."""
        return f"broken: {self.reason}"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def new_id(label: str) -> str:
    """``hanoi-10-20260131-174501-k3f9``: what, when, and four random letters."""
    word = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:40] or "run"
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return f"{word}-{moment}-{''.join(secrets.choice(_LETTERS) for _ in range(4))}"


def new_schema(run_id: str) -> str:
    """``reason_hanoi_10_20260131_174501_k3f9_mkw8x2pa``: unlike any other's, whatever the id."""
    word = re.sub(r"[^a-z0-9]+", "_", run_id.lower()).strip("_")[:40] or "run"
    return f"reason_{word}_{''.join(secrets.choice(_LETTERS) for _ in range(8))}"


def create(
    base: Path,
    name: str | None,
    config: dict[str, Any],
    label: str,
    journal_url: str | None = None,
) -> RunDir:
    """Make a new run directory ``base/name`` (a fresh id without a name).

    With a ``journal_url`` the journal goes into a schema of its own on that server, which must be
    there. Raises UsageError for a directory that holds something else, StorageError if it cannot be
    made.
    """
    path = base / (name or new_id(label))
    if journal_url is not None:
        check_server(journal_url)
    _claim(path)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": __version__,
        "run_id": path.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "config": config,
    }
    if journal_url is not None:
        manifest["journal"] = {"url": journal_url, "schema": new_schema(path.name)}
    write_json(path / "run.json", manifest)
    return RunDir(path, manifest)


def _claim(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
        occupied = any(path.iterdir())
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{path} is or lies under a file: name a new directory") from None
    except OSError as error:
        raise StorageError(f"cannot make {path}: {error.strerror}; name another place") from None
    if (path / "run.json").exists():
        raise UsageError(f"{path} is a run already: `reason runs resume {path}` goes on with it")
    if occupied:
        raise UsageError(f"{path} is not empty and not a run: name a new or empty directory")


def open_run(path: Path) -> RunDir:
    """The run in ``path``. Raises UsageError, naming the file at fault."""
    file = path / "run.json"
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{path} is not a run directory: it has no run.json") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{file} cannot be read: {error}; restore it from a copy") from None
    if not isinstance(manifest, dict):
        raise UsageError(f"{file} is not the run.json of a run: restore it from a copy")
    if isinstance(manifest.get("format"), int) and manifest["format"] > FORMAT:
        raise UsageError(f"{file} was written by a newer version of reason: update this one")
    wrong = [key for key, kind in _KEYS.items() if not isinstance(manifest.get(key), kind)]
    if wrong:
        raise UsageError(f"{file} lacks {', '.join(wrong)}: restore it from a copy")
    if not _names_a_journal(manifest.get("journal")):
        raise UsageError(f"{file} names no journal that can be: restore it from a copy")
    return RunDir(path, manifest)


def _names_a_journal(kept: object) -> bool:
    """None for a file in the directory, or the URL of a server and a schema."""
    if kept is None:
        return True
    if not isinstance(kept, dict) or not isinstance(kept.get("url"), str):
        return False
    return re.fullmatch(r"reason_[a-z0-9_]{1,56}", str(kept.get("schema"))) is not None


def find(base: Path, name: str) -> RunDir:
    """A run by directory, id, or the unique start of an id. Raises UsageError."""
    if is_there(Path(name) / "run.json"):
        return open_run(Path(name))
    names = [path.name for path in _directories(base)]
    matches = [name] if name in names else [other for other in names if other.startswith(name)]
    if len(matches) == 1 and name:
        return open_run(base / matches[0])
    if matches:
        raise UsageError(f"{name!r} is the start of {len(matches)} runs: write more of the id")
    if is_there(Path(name)):
        return open_run(Path(name))
    raise UsageError(f"no run {name!r} in {base}: `reason runs list` shows what there is")


def is_there(path: Path) -> bool:
    """Whether there is such a thing; not for a name that no file system takes."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def list_runs(base: Path) -> list[RunDir]:
    """All runs in ``base``, the newest first; one that cannot be read is a :class:`BrokenRun`."""
    found = [_open_or_broken(path) for path in _directories(base)]
    return sorted(found, key=lambda run: (run.created, run.run_id), reverse=True)


def _open_or_broken(path: Path) -> RunDir:
    try:
        return open_run(path)
    except UsageError as error:
        return BrokenRun(path, str(error))


def _directories(base: Path) -> list[Path]:
    try:
        return sorted(path for path in base.iterdir() if path.is_dir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"cannot list {base}: {error.strerror}; check the directory") from None
