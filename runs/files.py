"""Writing small files so that no crash leaves half of one.

The content goes to a file beside the target, is flushed to the disk, and takes the target's name in
one step; the directory is flushed last, so that the new name outlives a power cut.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from reason.errors import StorageError


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write JSON as :func:`write_text` does."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=True) + "\n")


def make_folder(path: Path) -> None:
    """Make a folder, with those above it, unless it is there. Raises StorageError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {path}: {error.strerror}") from None


def write_text(path: Path, content: str) -> None:
    """Write a file so that after any crash it holds the old content or the new. StorageError."""
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _flush_directory(path.parent)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise StorageError(
            f"cannot write {path}: {error.strerror}; free some space or make it writable, then "
            f"`reason runs resume {path.parent}`"
        ) from None


def _flush_directory(path: Path) -> None:
    if os.name != "posix":  # elsewhere a directory cannot be opened
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
