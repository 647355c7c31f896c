"""Which questions a file of answers does not answer yet.

Questions that bring no id are named after their file and line, so another file of the same name has
the same ids. An id alone is therefore no proof: the text must be the same too.
"""

from collections.abc import Sequence
from pathlib import Path

from reason.errors import UsageError
from runs.lines import Row
from tasks.questions.base import Question


def unanswered(
    questions: Sequence[Question], rows: Sequence[Row], path: Path, option: str
) -> list[Question]:
    """The questions without a row among those of a file.

    Raises UsageError where one answers another text; ``option`` names the file on a command line.
    """
    known = {row.get("id"): row for row in rows if isinstance(row.get("id"), str)}
    for question in questions:
        if question.id in known and _asked(known[question.id]) != question.text:
            raise UsageError(
                f"{path} has an answer to another question under the id {question.id!r}: "
                f"name another {option}"
            )
    return [question for question in questions if question.id not in known]


def _asked(row: Row) -> object:
    """The text of the question that a row answers."""
    trace = row.get("trace")
    return trace.get("question") if isinstance(trace, dict) else None
