"""A file of JSON lines that is only ever appended to, and survives a kill between any two bytes.

A line counts once its end is written. What a killed process left of a line is cut off before the
file is written again.
"""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from reason.errors import StorageError, UsageError

Row = dict[str, Any]


def read_lines(path: Path) -> list[Row]:
    """All whole rows of a file; none where there is no file. Raises UsageError."""
    try:
        if not path.exists():
            return []
        _refuse_device(path)
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    return [_object(path, number, line) for number, line in enumerate(text.split("\n")[:-1], 1)]


def page_of_lines(path: Path, first: int, count: int) -> tuple[list[Row], int]:
    """Rows ``first`` (from 1) and later, at most ``count``, and how many whole rows there are.

    Only the rows asked for are read into memory. Raises UsageError.
    """
    rows, number = [], 0
    try:
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break  # still being written
                number += 1
                if first <= number < first + count:
                    rows.append(_object(path, number, line))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    return rows, number


def _object(path: Path, number: int, line: str | bytes) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise UsageError(f"{path} line {number} is not a JSON object: name another file")
    return row


class LineWriter:
    """Appends rows to a file that no other process may write meanwhile. Use as a context manager.

    Nothing in the file is touched before the first row is written, so that a caller may look at
    :meth:`rows` and refuse. Raises UsageError for a file that another process is writing or that
    cannot hold rows, and StorageError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _refuse_device(path)
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            self._take()
        except BaseException:
            self._file.close()
            raise

    def _take(self) -> None:
        """Lock the file and go to the end of its last whole row."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            content = self._file.read()
            whole = content.rfind(b"\n") + 1
            self._file.seek(whole)
        except BlockingIOError:
            raise UsageError(
                f"{self.path} is being written by another process: wait until it ends, or name "
                "another file"
            ) from None
        except OSError as error:
            raise self._unwritable(error) from None
        if content[whole : whole + 1] not in (b"", b"{"):  # the cut row of somebody else
            raise UsageError(f"{self.path} does not end with a JSON object: name another file")

    def rows(self) -> list[Row]:
        """All whole rows that the file holds. Raises UsageError."""
        return read_lines(self.path)

    def write(self, row: Row) -> None:
        """Append one row and hand it to the operating system."""
        try:
            self._file.truncate()  # what is left of a row that was cut
            self._file.write(json.dumps(row, ensure_ascii=True).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> StorageError:
        return StorageError(f"cannot write {self.path}: {error.strerror}")

    def __enter__(self) -> "LineWriter":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            self._file.close()  # tries once more to write what a full disk refused
        except OSError as error:
            if kind is None:
                raise self._unwritable(error) from None


def _refuse_device(path: Path) -> None:
    """Refuse pipes, terminals and devices: reading one for rows may never end."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UsageError(f"{path} is no regular file: name another file")
