"""Reading and comparing final answers: what models write, and what they must not get away with."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.base import RedFlag
from tasks.questions.answers import alike, canonical, equivalent, extract
from tasks.questions.base import Kind

KINDS: list[Kind] = ["number", "letter", "math", "text"]


@pytest.mark.parametrize(
    ("text", "kind", "answer"),
    [
        ("We add.\nAnswer: 42", "number", "42"),
        ("**Answer:** $1,000.00", "number", "1000"),
        ("Final answer: -3.50 dollars", "number", "-3.5"),
        ("3 + 4 = 7\n#### 7", "number", "7"),
        (r"so \boxed{\frac{1}{2}}", "math", r"\frac{1}{2}"),
        (
            r"Answer: $\boxed{\left(3,\frac{\pi}{2}\right)}$",
            "math",
            r"\left(3,\frac{\pi}{2}\right)",
        ),
        ("The answer is 12. That is all.", "number", "12"),
        ("He has 3 apples, then 8.", "number", "8"),
        ("Answer: 3 + 4 = 7", "number", "7"),
        ("Answer: 1\nWait.\nAnswer: 2", "number", "2"),
        ("Answer: 75%", "number", "75%"),
        ("Answer: 6/8", "number", "3/4"),
        ("Answer: (C)", "letter", "C"),
        ("Answer: c) 600", "letter", "C"),
        (r"The answer is \boxed{E}", "letter", "E"),
        ("Answer: [[B]]", "letter", "B"),
        ("Answer: Option D", "letter", "D"),
        ("Answer:  The  Blue Whale.", "text", "the blue whale"),
        ("Answer: \u22125", "number", "-5"),
        ("Answer: \u20135", "number", "-5"),
        ("Answer: - 5 degrees", "number", "-5"),
        ("Answer: x = - 5", "number", "-5"),
        ("Answer: \u2212 5", "math", "-5"),
        ("We get:\n- 5 apples", "number", "5"),
        ("Pages 10\u201315", "number", "15"),
        ("Answer: 1.5e-10", "number", "0.00000000015"),
        ("Answer: 2E3 grams", "number", "2000"),
        ("Answer: 1 1/2", "number", "3/2"),
        ("Answer: -1 1/2 cups", "number", "-3/2"),
        ("So we need 1 1/2", "number", "3/2"),
        ("Answer: 1 1/2", "math", "3/2"),
        ("Answer: 10 000", "math", "10000"),
        (r"Answer: \frac 1 2", "math", r"\frac12"),
        ("Answer: x + 1", "math", "x+1"),
        ("Answer: x = 5", "number", "5"),
        ("Answer: x_1 = 5", "number", "5"),
        ("Answer: 20% of 50 = 10 dollars", "number", "10"),
        ("Answer: 3/4 = 0.75", "number", "0.75"),
        ("Answer: 7 = 7", "number", "7"),
        (r"#### Step 3: add up" "\n" r"Thus \boxed{42}", "number", "42"),
        ("#### Step 2: x\nThe answer is 42.", "number", "42"),
        ("#### Step 2: x\nSo there are 42", "number", "42"),
        ("#### 7\n\nThat took 2 steps.", "number", "7"),
        ("Answer: A is right", "letter", "A"),
        ("Answer: B) vitamin C", "letter", "B"),
        ("Answer: I", "letter", "I"),
    ],
)
def test_answers_are_found_where_models_put_them(text: str, kind: Kind, answer: str) -> None:
    assert extract(text, kind) == answer


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "number"),
        ("I cannot say.", "number"),
        ("Answer: 3 or 4", "number"),
        ("Answer: Because", "letter"),
        ("Answer: ", "text"),
        ("The letter C looks good", "letter"),
        ("Answer: " + "9" * 500, "number"),
        ("no box here", "math"),
        ("Answer: 5 - 5", "number"),
        ("Answer: 7 - 5", "number"),
        ("Answer: 10^10", "number"),
        ("Answer: 100 100", "number"),
        ("Answer: 15 = 10 + 5", "number"),
        ("Answer: 5 (=2+3)", "number"),
        ("Answer: x = 3 or x = -2", "number"),
        ("Answer: either x or 3, so x = 4", "number"),
        ("Answer: 3 hours = 180 minutes", "number"),
        ("Answer: 3 4", "math"),
        ("Answer: 3  4", "math"),
        ("Answer: A or B", "letter"),
        ("Answer: A, C", "letter"),
        ("Answer: (A) or (B)", "letter"),
        ("Answer: A. But (B) may be", "letter"),
        ("Answer: A is wrong, B is right", "letter"),
        ("Answer: I think C", "letter"),
        ("Answer: A car", "letter"),
    ],
)
def test_no_answer_is_guessed(text: str, kind: Kind) -> None:
    with pytest.raises(RedFlag):
        extract(text, kind)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("12", "12 apples", True),
        ("$12.00", "12", True),
        ("the whale", "The Whale.", True),
        ("12 apples", "12 pears", False),
        ("12", "13 apples", False),
        ("12", "12 of 13", False),
        ("12", "many", False),
    ],
)
def test_a_bare_number_is_the_same_with_a_word_to_it(one: str, other: str, same: bool) -> None:
    assert alike(one, other) is alike(other, one) is same


@given(st.text(), st.sampled_from(KINDS))
def test_any_text_is_read_or_red_flagged(text: str, kind: Kind) -> None:
    with suppress(RedFlag):
        read = extract(text, kind)
        assert canonical(read, kind) == read


@given(st.text(max_size=30), st.sampled_from(KINDS))
def test_the_canonical_form_is_its_own(text: str, kind: Kind) -> None:
    once = canonical(text, kind)
    assert canonical(once, kind) == once


@given(st.integers(-(10**12), 10**12), st.integers(0, 3), st.sampled_from(["{}", "${}", "{} eggs"]))
def test_a_number_is_read_however_it_is_written(value: int, zeros: int, form: str) -> None:
    decimals = "." + "0" * zeros if zeros else ""
    for text in (f"{value}{decimals}", f"{value:,}{decimals}"):
        if value < 0 and "$" in form:
            continue
        assert extract(f"Work.\nAnswer: {form.format(text)}", "number") == str(value)


@pytest.mark.parametrize(
    ("one", "other", "kind", "same"),
    [
        ("0.5", "1/2", "number", True),
        ("75%", "0.75", "number", True),
        ("75%", "75", "number", False),
        ("18", "18.0", "number", True),
        ("7", "8", "number", False),
        ("150", "1.5e+20", "number", False),
        ("1.5e+20", "150000000000000000000", "number", True),
        ("0.15", "1.5e-10", "number", False),
        ("1e5", "100,000", "number", True),
        ("1e999999999", "1", "number", False),
        ("+5", "5", "number", True),
        ("\u22125", "-5", "number", True),
        ("1 1/2", "1.5", "math", True),
        ("1 1/2", "11/2", "math", False),
        ("3 4", "34", "math", False),
        ("3  4", "34", "math", False),
        ("b", "B", "letter", True),
        (r"\frac{1}{2}", "0.5", "math", True),
        ("x+1", "1+x", "math", True),
        (r"\left(3,\frac{\pi}{2}\right)", r"(3, \frac{\pi}{2})", "math", True),
        ("x+1", "x+2", "math", False),
        ("Paris", " paris. ", "text", True),
    ],
)
def test_equal_answers_are_equal_both_ways(one: str, other: str, kind: Kind, same: bool) -> None:
    assert equivalent(one, other, kind) is same
    assert equivalent(other, one, kind) is same


@pytest.mark.parametrize(
    "text", ["((((", r"\frac{", "^" * 90, "9" * 5000, r"\int" * 50, "{}" * 100]
)
def test_expressions_that_make_no_sense_are_unequal_at_worst(text: str) -> None:
    assert equivalent(text, text, "math")
    assert not equivalent(text, "1", "math")


async def test_expressions_are_compared_in_other_threads_too() -> None:
    import asyncio

    assert await asyncio.to_thread(equivalent, r"\frac{3}{4}", "0.75", "math")


@pytest.mark.parametrize("bomb", ["9^{9^{9^{9}}}", "100000000!", "10^{10^{10}}"])
def test_an_expression_that_never_ends_is_no_match_and_stops_nobody(bomb: str) -> None:
    assert not equivalent(bomb, "3", "math")
    assert not equivalent("4", bomb, "math")
    assert equivalent(bomb, bomb, "math")
    assert equivalent(r"\frac{1}{2}", "0.5", "math")  # the next comparison is made as ever


def test_what_an_endless_expression_was_compared_with_is_not_given_up() -> None:
    bomb = "8^{8^{8^{8}}}"
    assert not equivalent("y+7", bomb, "math")
    assert not equivalent(bomb, "z+7", "math")
    assert equivalent("y+7", "7+y", "math")
    assert equivalent("z+7", "7+z", "math")
