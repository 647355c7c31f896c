"""Lines that are only appended to: a kill between any two bytes loses at most the line it cut."""

import os
import resource
from pathlib import Path

import pytest

from reason.errors import StorageError, UsageError
from runs.lines import LineWriter, page_of_lines, read_lines

ROWS = [{"id": at, "text": "ä\n" * at} for at in range(5)]


def test_rows_come_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.jsonl"
    for row in ROWS:
        with LineWriter(path) as lines:
            lines.write(row)
    assert read_lines(path) == ROWS


def test_a_file_cut_anywhere_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with LineWriter(path) as lines:
        for row in ROWS:
            lines.write(row)
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        kept = read_lines(path)
        assert kept == ROWS[: len(kept)]
        with LineWriter(path) as lines:
            for row in ROWS[len(kept) :]:
                lines.write(row)
        assert path.read_bytes() == whole


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("hello\n")
    with pytest.raises(UsageError, match="line 1"):
        read_lines(path)
    with pytest.raises(StorageError):
        LineWriter(tmp_path)


def test_a_file_has_one_writer(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with LineWriter(path) as lines:
        lines.write(ROWS[0])
        with pytest.raises(UsageError, match="being written by another process"):
            LineWriter(path)
        lines.write(ROWS[1])
    with LineWriter(path) as lines:
        assert lines.rows() == ROWS[:2]


def test_what_is_no_file_of_rows_is_left_as_it_is(tmp_path: Path) -> None:
    text, pipe = tmp_path / "notes.txt", tmp_path / "pipe"
    text.write_text("remember the milk")
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="does not end with a JSON object"):
        LineWriter(text)
    assert text.read_text() == "remember the milk"
    for open_it in (LineWriter, read_lines):
        with pytest.raises(UsageError, match="no regular file"):
            open_it(pipe)


def test_a_cut_row_stays_until_another_is_written(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text('{"id": 1}\n{"id"')
    with LineWriter(path) as lines:
        assert lines.rows() == [{"id": 1}]
    assert path.read_text() == '{"id": 1}\n{"id"'


def test_a_name_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 300)
    with pytest.raises(StorageError, match="cannot write"):
        LineWriter(path)
    with pytest.raises(UsageError, match="cannot read"):
        read_lines(path)


def _write_all(path: Path) -> None:
    with LineWriter(path) as lines:
        for row in ROWS:
            lines.write(row)


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = tmp_path / "out.jsonl"
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, before[1]))
    try:
        with pytest.raises(StorageError, match="cannot write"):
            _write_all(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with LineWriter(path) as lines:
        assert lines.rows() == ROWS[: len(lines.rows())]


def test_pages_come_to_the_file_even_while_a_line_is_written(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with LineWriter(path) as lines:
        for row in ROWS:
            lines.write(row)
    assert page_of_lines(path, 2, 2) == (ROWS[1:3], 5)
    assert page_of_lines(path, 6, 9) == ([], 5)
    path.write_bytes(path.read_bytes()[:-1])
    assert page_of_lines(path, 4, 9) == (ROWS[3:4], 4)
    path.write_text("{}\n[]\n")
    assert page_of_lines(path, 1, 1) == ([{}], 2)
    with pytest.raises(UsageError, match="line 2"):
        page_of_lines(path, 2, 1)
    with pytest.raises(UsageError, match="cannot read"):
        page_of_lines(tmp_path / "none", 1, 1)
