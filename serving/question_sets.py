"""Answered questions on disk: evaluations (``eval.json`` and a file for each strategy), batches.

A batch is a file of answers among the runs (``reason solve --batch --out``). Both are shown alike:
strategies, their rows page by page, and of one row the tree of all that was asked and answered.
Only the page asked for is kept in memory.
"""

import json
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ValidationError

from reason.errors import UsageError
from runs.lines import Row, page_of_lines
from serving.run_models import UnknownRun

MANIFEST = "eval.json"
SUFFIX = ".jsonl"


class StrategyScore(BaseModel):
    """A strategy of a set: rows answered, and what they were scored, once they were."""

    name: str
    answered: int
    accuracy: float | None = None
    interval: tuple[float, float] | None = None


class QuestionSet(BaseModel):
    """A set of answered questions."""

    kind: Literal["questions"] = "questions"
    id: str
    status: str
    message: str = ""
    created: str = ""
    data: str = ""
    models: dict[str, str] = {}
    manner: dict[str, Any] = {}
    strategies: list[StrategyScore] = []


class Answered(BaseModel):
    """A question and what came of it; ``number`` is its row in the file."""

    number: int
    id: str
    question: str = ""
    answer: str | None = None
    decided: bool = False
    calls: int = 0
    flagged: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None
    seconds: float = 0.0


class Transcript(Answered):
    """A question with its trace: a tree of what was asked, answered and voted."""

    trace: dict[str, Any]


class QuestionPage(BaseModel):
    """Some rows of a strategy, and how many there are."""

    total: int
    rows: list[Answered]


class Place(NamedTuple):
    """Where a set lies: its name, the file that dates it, and the answers by strategy."""

    name: str
    mark: Path
    files: dict[str, Path]


def place_of(path: Path) -> Place | None:
    """The set that ``path`` is, if it is one."""
    if path.suffix == SUFFIX and path.is_file():
        return Place(path.name, path, {path.stem: path})
    mark = path / MANIFEST
    if not mark.is_file():
        return None
    files = sorted(file for file in path.glob(f"*{SUFFIX}") if file.is_file())
    return Place(path.name, mark, {file.stem: file for file in files})


def describe(place: Place) -> QuestionSet:
    """What a set is and how it stands; a broken one is described as that."""
    try:
        return _describe(place)
    except (UsageError, OSError, ValueError, TypeError, AttributeError) as error:
        return QuestionSet(id=place.name, status="broken", message=str(error))


def _describe(place: Place) -> QuestionSet:
    batch = place.mark.suffix == SUFFIX
    plan: dict[str, Any] = {"data": place.name} if batch else _object(place.mark)
    report = {} if batch else _object(place.mark.with_name("report.json"))
    scores = {score["strategy"]: score for score in report.get("strategies", [])}
    return QuestionSet(
        id=place.name,
        status="answered" if batch else "scored" if report else "unfinished",
        created=datetime.fromtimestamp(place.mark.stat().st_mtime, UTC).isoformat(
            timespec="seconds"
        ),
        data=plan.get("data", ""),
        models=plan.get("models", {}),
        manner=plan.get("manner", {}),
        strategies=[
            StrategyScore(
                name=name,
                answered=_count(file),
                accuracy=scores.get(name, {}).get("accuracy"),
                interval=scores.get(name, {}).get("interval"),
            )
            for name, file in place.files.items()
        ],
    )


def read_questions(place: Place, strategy: str, first: int, count: int) -> QuestionPage:
    """A page of a strategy's rows. Raises UnknownRun, UsageError."""
    rows, total = page_of_lines(_file(place, strategy), first, count)
    found = [_answered(number, row) for number, row in enumerate(rows, first)]
    return QuestionPage(total=total, rows=found)


def read_transcript(place: Place, strategy: str, number: int) -> Transcript:
    """One row, with everything that was said. Raises UnknownRun, UsageError."""
    rows, _ = page_of_lines(_file(place, strategy), number, 1)
    if not rows:
        raise UnknownRun(f"{place.name} has no row {number} by {strategy}")
    trace = rows[0].get("trace")
    return Transcript(
        **_answered(number, rows[0]).model_dump(), trace=trace if isinstance(trace, dict) else {}
    )


def _file(place: Place, strategy: str) -> Path:
    if strategy not in place.files:
        raise UnknownRun(f"{place.name} has no strategy {strategy!r}")
    return place.files[strategy]


def _answered(number: int, row: Row) -> Answered:
    trace = row.get("trace")
    question = trace.get("question", "") if isinstance(trace, dict) else ""
    try:
        return Answered.model_validate({"question": question, **row, "number": number})
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"row {number}: {first['loc'][0]}: {first['msg']}") from None


def _object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise UsageError(f"{path} is not a JSON object")
    return value


def _count(path: Path) -> int:
    stat = path.stat()
    return _count_as_of(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(256)
def _count_as_of(path: Path, size: int, changed: int) -> int:
    """Whole rows of a file; counted again once it has changed."""
    return page_of_lines(path, 1, 0)[1]
