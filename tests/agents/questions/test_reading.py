"""Reading proposals and subquestions: the forms that the prompts ask for, and nothing else."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.questions.daslam import read_subquestions
from agents.questions.forms import plain
from agents.questions.prompting import FIELDS, MICRO, NOTHING, SHIPPED, load_prompts
from agents.questions.recursive import Split, read_choice, read_proposal, read_split
from reason.errors import UsageError
from reason.prompt import Prompt
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


def test_a_judges_choice_is_one_of_the_numbers_listed() -> None:
    assert read_choice(" 2.\n", 3) == read_choice('{"choice": 2}', 3) == "2"
    for text in ("②", "²", "٢", "0", "4", "02", "", "None of them.", "9" * 5000):
        with pytest.raises(RedFlag, match="no such proposal"):
            read_choice(text, 3)


@given(line, line, line)
def test_a_split_in_json_is_the_split_in_lines(first: str, second: str, combine: str) -> None:
    data = {"atomic": False, "first": first, "second": second, "combine": combine}
    lines = str(Split(*(" ".join(part.split()) for part in (first, second, combine))))
    for text in (json.dumps(data), f"```json\n{json.dumps(data, indent=1)}\n```"):
        assert read_proposal(text) == read_proposal(lines)


def test_json_answers_are_read_as_their_plain_lines() -> None:
    assert read_proposal('{"atomic": true, "first": "", "second": "", "combine": ""}') == "ATOMIC"
    asked = '{"subquestions": ["1. How\\nmany?", "Why?"]}'
    assert read_subquestions(asked, 2) == ["How many?", "Why?"]
    assert plain("judge", '{"choice": 2}') == "2"


@pytest.mark.parametrize("data", [{}, {"subquestions": []}, {"subquestions": [None]}, {"x": [[]]}])
def test_json_without_subquestions_is_a_red_flag(data: Any) -> None:
    with pytest.raises(RedFlag):
        read_subquestions(json.dumps(data), 4)


@pytest.mark.parametrize(
    "data", [{}, {"first": "a"}, dict.fromkeys(["first", "second", "combine"])]
)
def test_json_without_a_split_is_a_red_flag(data: Any) -> None:
    with pytest.raises(RedFlag):
        read_proposal(json.dumps(data))


def test_schemas_fit_what_is_asked() -> None:
    prompts = load_prompts()
    form = prompts.form("judge", question="q", proposals="1.\nATOMIC\n\n2.\nFIRST: 3.")
    assert form is not None
    assert form.schema["properties"]["choice"]["enum"] == [1, 2]
    assert prompts.form("solve", form="f", question="q") is None, "voters are never held to a form"


def test_a_users_prompt_is_not_passed_over_for_a_shipped_form(tmp_path: Path) -> None:
    (tmp_path / "decompose.md").write_text("version: 7\n\nSplit {question}")
    assert load_prompts(tmp_path).form("decompose", question="q") is None
    (tmp_path / "decompose-json.md").write_text("version: 7\n\nSplit {question} as JSON")
    form = load_prompts(tmp_path).form("decompose", question="q")
    assert form is not None
    assert content(form.prompt) == "Split q as JSON"
    assert load_prompts(MICRO).form("subquestions", question="q", attempt="", most="4") is None


def content(prompt: Prompt) -> str:
    """What the one message of a chat says."""
    assert not isinstance(prompt, str)
    (message,) = prompt
    return message["content"]


def test_shipped_prompts_use_every_field() -> None:
    prompts = load_prompts()
    for name, fields in FIELDS.items():
        said = content(prompts.write(name, **{field: f"<{field}>" for field in fields}))
        assert all(f"<{field}>" in said for field in fields)
        assert prompts.templates[name].version >= 1


def test_a_users_prompt_goes_before_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "solve.md").write_text("version: 7\n\nDo {question} as {{x}}: {form}")
    prompts = load_prompts(tmp_path)
    assert prompts.templates["solve"].version == 7
    assert content(prompts.write("solve", question="this", form="f")) == "Do this as {x}: f"
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
    assert NOTHING in content(
        load_prompts().write("subquestion", question="P", known="", subquestion="S")
    )
