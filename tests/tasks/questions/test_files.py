"""Question files: the public sets by their fields, rows of one's own, and rows that are wrong."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from reason.errors import UsageError
from tasks.questions.answers import extract, is_right
from tasks.questions.files import load_questions

ROWS: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "gsm8k": ({"question": "q?", "answer": "3*6=<<3*6=18>>18\n#### 1,018"}, "number", "1018"),
    "aqua": ({"question": "q?", "options": ["A)1", "B)2"], "correct": "B"}, "letter", "B"),
    "math": ({"problem": "q?", "solution": "s", "answer": "\\frac{1}{2}"}, "math", "\\frac{1}{2}"),
    "multiarith": ({"sQuestion": " q? ", "lSolutions": [39.0]}, "number", "39"),
    "own": ({"question": "q?", "answer": "Yes", "kind": "text", "id": "x"}, "text", "yes"),
    "open": ({"question": "q?"}, "number", None),
}


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


@pytest.mark.parametrize("name", ROWS)
def test_sets_are_told_by_their_fields(name: str, tmp_path: Path) -> None:
    row, kind, gold = ROWS[name]
    (question,) = load_questions(write(tmp_path / f"{name}.jsonl", row))
    assert (question.kind, question.gold) == (kind, gold)
    assert question.text.startswith("q?")
    assert question.id == row.get("id", f"{name}-1")
    assert name != "aqua" or "B)2" in question.text


def test_a_limit_takes_the_first(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", *({"question": f"{at}"} for at in range(9)), "not JSON")
    assert [question.text for question in load_questions(path, 3)] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["{"], "line 1 is not JSON"),
        ([{"question": "a"}, "[1]"], "line 2 is not a JSON object"),
        ([{"text": "a"}], "line 1 has no question"),
        ([{"question": "a", "id": 1}, {"question": "b", "id": 1}], "is there twice"),
        ([{"question": "a", "kind": "poem"}], "kind must be one of"),
        ([{"question": " "}], "is empty"),
        ([{"question": "a\ud800"}], "half a character"),
        ([{"question": "a", "answer": "\udc00", "kind": "text"}], "half a character"),
        ([{"sQuestion": "a", "lSolutions": []}], "cannot be read"),
        ([], "holds no question"),
    ],
)
def test_bad_rows_are_named(rows: list[object], words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        load_questions(write(tmp_path / "q.jsonl", *rows))


def test_a_row_nested_beyond_reason_is_named(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text("[" * 100_000)
    with pytest.raises(UsageError, match="line 1 is not JSON"):
        load_questions(path)


def test_lines_end_where_json_says(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_bytes('{"question": "a\u2028b\x85c"}\r\n{"question": "d"}\n'.encode())
    assert [asked.text for asked in load_questions(path)] == ["a\u2028b\x85c", "d"]


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        load_questions(tmp_path / "none.jsonl")


DATA = Path(os.environ.get("REASON_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))


@pytest.mark.skipif(not DATA.is_dir(), reason="the public sets are not at hand")
def test_the_public_sets_are_read_whole() -> None:
    for path in sorted(DATA.glob("*.jsonl")):
        for question in load_questions(path):
            assert question.gold is not None
            said = extract(f"So it is.\nAnswer: {question.gold}", question.kind)
            assert is_right(said, question.gold, question.kind), question
