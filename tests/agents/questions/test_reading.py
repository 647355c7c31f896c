"""Reading proposals and subquestions: the forms that the prompts ask for, and nothing else."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.questions.daslam import read_subquestions
from agents.questions.prompting import FIELDS, MICRO, NOTHING, SHIPPED, load_prompts
from agents.questions.recursive import Split, read_proposal, read_split
from reason.errors import UsageError
from tasks.base import RedFlag

line = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]), min_size=1)


@given(line, line, line)
def test_a_split_written_is_a_split_read(first: str, second: str, combine: str) -> None:
    split = Split(first, second, combine)
    assert read_split(read_proposal(str(split))) == split


def test_the_form_in_the_prompt_is_the_form_that_is_read() -> None:
    asked = (SHIPPED / "decompose.md").read_text()
    form = asked[asked.index("FIRST:") : asked.index("\n\nProblem:")]
    assert read_split(read_proposal(form)) is not None
    assert read_proposal(" ATOMIC\n") == "ATOMIC"
    assert read_split("ATOMIC") is None


def test_commas_stay_within_their_part() -> None:
    split = read_split("FIRST: a, b, and c?\nSECOND: d, e?\nCOMBINE: A1, then A2")
    assert split == Split("a, b, and c?", "d, e?", "A1, then A2")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ATOMIC or not",
        "FIRST: a\nSECOND: b",
        "FIRST: a\nCOMBINE: c\nSECOND: b",
        "FIRST:\nSECOND: b\nCOMBINE: c",
    ],
)
def test_other_proposals_are_red_flags(text: str) -> None:
    with pytest.raises(RedFlag):
        read_proposal(text)


@given(st.text())
def test_any_text_is_read_or_red_flagged(text: str) -> None:
    for read in (read_proposal, lambda text: read_subquestions(text, 4)):
        with suppress(RedFlag):
            assert read(text)


def test_subquestions_are_the_numbered_lines() -> None:
    assert read_subquestions("Sure:\n1. How many?\n 2) Why?\n", 2) == ["How many?", "Why?"]
    with pytest.raises(RedFlag, match="too many"):
        read_subquestions("1. a\n2. b\n3. c", 2)


def test_shipped_prompts_use_every_field() -> None:
    prompts = load_prompts()
    for name, fields in FIELDS.items():
        (message,) = prompts.write(name, **{field: f"<{field}>" for field in fields})
        assert all(f"<{field}>" in message["content"] for field in fields)
        assert prompts.templates[name].version >= 1


def test_a_users_prompt_goes_before_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "solve.md").write_text("version: 7\n\nDo {question} as {{x}}: {form}")
    prompts = load_prompts(tmp_path)
    assert prompts.templates["solve"].version == 7
    assert prompts.write("solve", question="this", form="f")[0]["content"] == "Do this as {x}: f"
    assert prompts.templates["judge"] == load_prompts().templates["judge"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("solve.md", "no head", "must start with"),
        ("solve.md", "version: 1\n\n{nonsense}", "uses {nonsense}"),
        ("solve.md", "version: 1\n\n{question", "write a brace"),
        ("other.md", "version: 1\n\nx", "is not a prompt"),
    ],
)
def test_bad_prompts_are_one_line(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=words):
        load_prompts(tmp_path)


def test_micro_prompts_are_texts_to_be_continued() -> None:
    prompts = load_prompts(MICRO)
    asked = prompts.write("subquestion", question="P", known="", subquestion="S")
    assert asked == "P\nQuestion: S\nAnswer:"  # an empty field takes its line with it
    assert prompts.lead("subquestion") == "Answer:"
    again = prompts.write("again", question="P", known="Question: S\nAnswer: 4", form="")
    assert again == "P\nQuestion: S\nAnswer: 4\nAnswer:"


def test_a_chat_says_that_nothing_is_known() -> None:
    (message,) = load_prompts().write("subquestion", question="P", known="", subquestion="S")
    assert NOTHING in message["content"]
