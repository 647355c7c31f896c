"""Question sets in JSONL: one row a question, known sets told by their fields.

| set | fields |
|---|---|
| GSM8K | ``question``, ``answer`` with the number after ``####`` |
| AQuA | ``question``, ``options``, ``correct`` |
| MATH | ``problem``, ``solution``, ``answer`` |
| MultiArith | ``sQuestion``, ``lSolutions`` |
| your own | ``question``, and if you like ``answer``, ``id`` and ``kind`` |
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, get_args

from reason.errors import UsageError
from tasks.questions.answers import canonical
from tasks.questions.base import Kind, Question

Row = dict[str, Any]
KINDS = get_args(Kind)


class Form(NamedTuple):
    """How the rows of one set are told and read: (text, kind, gold) of a row."""

    fields: frozenset[str]
    read: Callable[[Row], tuple[str, str, str | None]]


def _gsm8k(row: Row) -> tuple[str, str, str | None]:
    answer = str(row["answer"])
    if "####" not in answer:
        return _own(row)
    return str(row["question"]), "number", answer.rsplit("####", 1)[1].strip()


def _aqua(row: Row) -> tuple[str, str, str | None]:
    options = "\n".join(map(str, row["options"]))
    return f"{row['question']}\n\nOptions:\n{options}", "letter", str(row["correct"])


def _math(row: Row) -> tuple[str, str, str | None]:
    return str(row["problem"]), "math", str(row["answer"])


def _multiarith(row: Row) -> tuple[str, str, str | None]:
    return str(row["sQuestion"]).strip(), "number", str(row["lSolutions"][0])


def _own(row: Row) -> tuple[str, str, str | None]:
    gold = None if row.get("answer") is None else str(row["answer"])
    return str(row["question"]), str(row.get("kind", "number")), gold


FORMS = (
    Form(frozenset({"sQuestion", "lSolutions"}), _multiarith),
    Form(frozenset({"question", "options", "correct"}), _aqua),
    Form(frozenset({"problem", "answer"}), _math),
    Form(frozenset({"question", "answer"}), _gsm8k),
    Form(frozenset({"question"}), _own),
)
"""The first whose fields a row has is the one that reads it."""


def load_questions(path: Path, limit: int | None = None) -> list[Question]:
    """The questions of a file, the first ``limit`` of them. Raises UsageError naming the line."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # no more: texts may hold U+2028
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    questions: dict[str, Question] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if limit is not None and len(questions) >= limit:
            break
        question = _question(line, f"{path} line {number}", f"{path.stem}-{number}")
        if question.id in questions:
            raise UsageError(f"{path} line {number}: the id {question.id!r} is there twice")
        questions[question.id] = question
    if not questions:
        raise UsageError(f"{path} holds no question")
    return list(questions.values())


def _question(line: str, where: str, name: str) -> Question:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is not JSON: {error}") from None
    if not isinstance(row, dict):
        raise UsageError(f"{where} is not a JSON object")
    form = next((form for form in FORMS if form.fields <= row.keys()), None)
    if form is None:
        raise UsageError(f"{where} has no question: give it a field 'question'")
    try:
        text, kind, gold = form.read(row)
    except (KeyError, IndexError, TypeError) as error:
        raise UsageError(f"{where} cannot be read: {error!r}") from None
    if kind not in KINDS:
        raise UsageError(f"{where}: kind must be one of {', '.join(KINDS)}, not {kind!r}")
    if not text.strip():
        raise UsageError(f"{where}: the question is empty")
    name = str(row.get("id", name))
    if not _is_speakable(f"{name}{text}{gold}"):
        raise UsageError(f"{where} holds half a character (a lone surrogate): mend its text")
    if gold is not None:
        gold = canonical(gold, kind)  # type: ignore[arg-type]
    return Question(name, text, kind, gold, where.split(" line ")[0])  # type: ignore[arg-type]


def _is_speakable(text: str) -> bool:
    """Whether there are bytes for a text: JSON can name half characters, UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
