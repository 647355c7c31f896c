"""A file of JSON lines that is only ever appended to, and survives a kill between any two bytes.

A line counts once its end is written. What a killed process left of a line is cut off before the
file is written again.
"""

import json
from pathlib import Path
from typing import Any

from reason.errors import StorageError, UsageError

Row = dict[str, Any]


def read_lines(path: Path) -> list[Row]:
    """All whole rows of a file; none where there is no file. Raises UsageError."""
    if not path.exists():
        return []
    try:
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
    """Appends rows to a file. Use as a context manager. Raises StorageError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            self._file = path.open("r+b")
            whole = self._file.read().rfind(b"\n") + 1
            self._file.seek(whole)
            self._file.truncate()
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror}") from None

    def write(self, row: Row) -> None:
        """Append one row and hand it to the operating system."""
        try:
            self._file.write(json.dumps(row, ensure_ascii=True).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise StorageError(f"cannot write {self.path}: {error.strerror}") from None

    def __enter__(self) -> "LineWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
