"""Rows of decomposer data: one JSON object a line.

``id``, ``question``, ``kind`` and ``answer`` are those of a question set. ``subquestions`` is a
decomposition to imitate (supervised fine-tuning needs it), ``solution`` a worked solution (some
rewards read it), and ``first`` the solver's own first answer, computed once: the decomposer reads
it in place of the solution, which it is never shown.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reason.errors import UsageError
from runs.lines import read_lines
from tasks.questions.base import Kind, Question
from tasks.questions.files import KINDS


@dataclass(frozen=True)
class Row:
    """One question to learn from; see the module's text."""

    id: str
    question: str
    kind: Kind
    answer: str
    subquestions: tuple[str, ...] = ()
    solution: str = ""
    first: str | None = field(default=None)

    def to_question(self) -> Question:
        """The question alone."""
        return Question(self.id, self.question, self.kind, self.answer)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def numbered(subquestions: Sequence[str]) -> str:
    """Subquestions as a decomposer is taught to write them."""
    return "\n".join(f"{at}. {asked}" for at, asked in enumerate(subquestions, 1))


def load_rows(path: Path, needs: Sequence[str] = ()) -> list[Row]:
    """The rows of a file.

    Args:
        path: the file.
        needs: fields that every row must have, ``subquestions`` or ``first``.

    Raises UsageError that names the line at fault.
    """
    if not path.is_file():
        raise UsageError(f"there is no data file {path}: `reason train data` makes one")
    rows = [_row(data, f"{path} row {at}") for at, data in enumerate(read_lines(path), 1)]
    if not rows:
        raise UsageError(f"{path} holds no row: `reason train data` makes some")
    for at, row in enumerate(rows, 1):
        for name in needs:
            if getattr(row, name) in (None, ()):
                raise UsageError(f"{path} row {at} has no {name!r}: `reason train data` adds it")
    _check_ids(rows, path)
    return rows


def _check_ids(rows: Sequence[Row], path: Path) -> None:
    """Rewards are looked up by id: one given twice would reward a row for another."""
    first: dict[str, int] = {}
    for at, row in enumerate(rows, 1):
        if row.id in first:
            raise UsageError(
                f"{path} row {at} has the id {row.id!r} of row {first[row.id]}: give each its own"
            )
        first[row.id] = at


def fingerprint(rows: Sequence[Row]) -> str:
    """A short hash by which a training knows its rows again."""
    text = json.dumps([row.to_dict() for row in rows])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _row(data: dict[str, Any], where: str) -> Row:
    missing = [name for name in ("id", "question", "kind", "answer") if not data.get(name)]
    if missing:
        raise UsageError(f"{where} lacks {', '.join(missing)}")
    if data["kind"] not in KINDS:
        raise UsageError(f"{where}: kind must be one of {', '.join(KINDS)}, not {data['kind']!r}")
    asked = data.get("subquestions") or ()
    if not all(isinstance(one, str) for one in asked):
        raise UsageError(f"{where}: subquestions must be a list of texts")
    return Row(
        str(data["id"]),
        str(data["question"]),
        data["kind"],
        str(data["answer"]),
        tuple(asked),
        str(data.get("solution") or ""),
        data.get("first"),
    )
