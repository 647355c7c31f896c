"""Multiplication, sorting, arithmetic: rules against plain Python, parsers against every slip."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reason.errors import UsageError
from tasks.arithmetic import wording as arithmetic
from tasks.arithmetic.task import Arithmetic
from tasks.base import Record, RedFlag, Task
from tasks.catalog import build_task, canonical
from tasks.multiplication import wording as multiplication
from tasks.multiplication.digits import Step as Digits
from tasks.multiplication.task import Multiplication
from tasks.sorting import wording as sorting
from tasks.sorting.pairs import Step as Ordered
from tasks.sorting.task import Sorting

FEW = settings(max_examples=50, deadline=None)
NUMBERS = (5, -3, 9, 0, 12, 9)
FACTORS = st.integers(0, 10**14 - 1)
CHAINS = st.lists(
    st.builds("{}{}".format, st.sampled_from("+-"), st.integers(0, 10**12 - 1))
    | st.builds("*{}".format, st.integers(0, 1)),
    min_size=1,
    max_size=40,
)


class Case(NamedTuple):
    """A task, its answers written out, and random steps to write."""

    task: Task
    write: Callable[[Any], str]
    steps: st.SearchStrategy[Any]


CASES = {
    "multiplication": Case(
        Multiplication(4096, 317),
        multiplication.write_answer,
        st.builds(Digits, st.integers(0, 9), st.integers(0, 8)),
    ),
    "sorting": Case(
        Sorting("5,-3,9,0,12,9"),
        sorting.write_answer,
        st.builds(
            Ordered,
            st.sampled_from(["keep", "swap"]),
            st.tuples(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS)),
        ),
    ),
    "arithmetic": Case(
        Arithmetic(7, "+5,*3,-40,*2"),
        arithmetic.write_answer,
        st.integers(1 - 10**18, 10**18 - 1),
    ),
}
every = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


def walk(task: Task, at: int = 0, answer: Callable[[Any], str] | None = None) -> Iterator[Record]:
    """The record of a run that answers as rehearsed, and at step ``at`` otherwise."""
    state, step = task.initial(), 0
    while not task.done(state):
        step += 1
        rehearsal = task.rehearse(task.prompt(state))
        said = answer(rehearsal) if answer and step == at else rehearsal.right
        decided = task.parse(said)
        state = task.advance(state, decided)
        record = task.record(decided, state)
        assert task.restore(record) == state
        yield record


def outcome(task: Task) -> str:
    """What a run without an error answers."""
    state = task.initial()
    for record in walk(task):
        state = task.restore(record)
    return task.result(state)


@FEW
@given(FACTORS, FACTORS)
def test_the_digits_make_the_product(a: int, b: int) -> None:
    task = Multiplication(a, b)
    assert outcome(task) == str(a * b)
    assert len(list(walk(task))) == task.steps()


@FEW
@given(st.lists(st.integers(-(10**12) + 1, 10**12 - 1), min_size=2, max_size=9))
def test_the_pairs_make_the_order(numbers: list[int]) -> None:
    task = Sorting(",".join(map(str, numbers)))
    assert outcome(task) == ",".join(map(str, sorted(numbers)))
    assert len(list(walk(task))) == task.steps()


@FEW
@given(st.integers(-(10**12), 10**12), CHAINS)
def test_the_operations_make_the_value(start: int, chain: list[str]) -> None:
    value = start
    for operation in chain:
        value = eval(f"({value}){operation}")
    assert outcome(Arithmetic(start, ",".join(chain))) == str(value)


@every
@FEW
@given(data=st.data())
def test_answers_round_trip_alone_and_after_reasoning(case: Case, data: st.DataObject) -> None:
    step = data.draw(case.steps)
    thought = data.draw(st.sampled_from(["", "Let me see.\n", "digit = 3\nvalue = 4\n", "\n\n"]))
    assert case.task.parse(thought + case.write(step)) == step
    assert case.task.parse(thought + case.write(step) + "\n") == step


@every
@settings(FEW, max_examples=300)
@given(data=st.data())
def test_whatever_is_read_has_exactly_the_demanded_form(case: Case, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(["", "So:\n"])) + case.write(data.draw(case.steps))
    at, cut = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 3))
    alphabet = st.sampled_from(list(" \n\t0123456789-+=[],.*`٣²_kpswdv")) | st.characters()
    text = text[:at] + data.draw(st.text(alphabet, max_size=3)) + text[at + cut :]
    try:
        step = case.task.parse(text)
    except RedFlag:
        return
    last = "\n" + case.write(step)
    assert ("\n" + text.removesuffix("\n")).endswith(last)


@every
@FEW
@given(text=st.text())
def test_no_text_crashes_a_parser(case: Case, text: str) -> None:
    for noise in (text, f"digit = {text}\ncarry = {text}", f"value = {text}"):
        try:
            case.task.parse(noise)
        except RedFlag:
            continue


MALFORMED = {
    "multiplication": [
        *("digit = 12\ncarry = 1", "digit = 2\ncarry = 9", "carry = 1\ndigit = 2", "digit = 2"),
        *("digit = 2\ncarry = 1.", "digit: 2\ncarry: 1", "**digit = 2**\ncarry = 1", "2, 1"),
    ],
    "sorting": [
        *("action = keep\npair = [5, 4]", "action = stay\npair = [5, 9]", "action = swap"),
        *("action = swap\npair = (5, 9)", "action = swap\npair = [5,9]", "pair = [5, 9]"),
        *("action = swap\npair = [05, 9]", f"action = swap\npair = [5, {'9' * 5000}]"),
    ],
    "arithmetic": [
        *("value = 1,204", "value = 07", "value = -0", "value = +7", "value = 7.0", "value = 7 "),
        *("7", f"value = {'9' * 19}", "value = 7\nDone.", "The value = 7", "value = 12 or 13"),
    ],
}


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in MALFORMED.items() for text in texts]
)
def test_common_slips_of_form_are_flagged(name: str, text: str) -> None:
    with pytest.raises(RedFlag):
        CASES[name].task.parse(text)


@every
@FEW
@given(seed=st.integers())
def test_simulated_slips_are_wrong_but_well_formed_in_every_wording(case: Case, seed: int) -> None:
    task = case.task
    (trial,) = task.trials(Random(seed), 1)
    first, *others = task.variants()
    assert first.prompt(trial.state) == task.prompt(trial.state)
    assert all(variant.prompt(trial.state) != task.prompt(trial.state) for variant in others)
    for variant in task.variants():
        rehearsal = task.rehearse(variant.prompt(trial.state))
        assert task.key(variant.parse(rehearsal.right)) == trial.key
        wrong = [task.key(variant.parse(text)) for text in rehearsal.wrong]
        assert wrong
        assert trial.key not in wrong
        assert len(set(wrong)) == len(wrong)


@every
def test_a_rehearsal_refuses_a_prompt_of_another_task(case: Case) -> None:
    for prompt in ("> - : 3 2 1 | | =", [{"role": "user", "content": "Hello"}]):
        with pytest.raises(ValueError, match="not a prompt"):
            case.task.rehearse(prompt)  # type: ignore[arg-type]


@every
@FEW
@given(data=st.data())
def test_any_voted_step_can_be_recorded_restored_and_gone_on_from(
    case: Case, data: st.DataObject
) -> None:
    task, state = case.task, case.task.initial()
    while not task.done(state):
        step = data.draw(case.steps)
        state = task.advance(state, step)
        assert task.restore(task.record(step, state)) == state
        assert isinstance(task.picture(state) if not task.done(state) else "", str)
        assert task.draft(state) is not None if not task.done(state) else True
    assert task.result(state)


@every
def test_check_accepts_the_solution_and_nothing_else(case: Case) -> None:
    task = case.task
    good = list(walk(task))
    assert task.check(good).ok
    assert not task.check(good[:-1]).ok
    assert task.check([*good, good[-1]]).first_error == len(good) + 1
    for at in range(1, len(good) + 1):
        wrong = list(walk(task, at, lambda rehearsal: rehearsal.wrong[0]))
        assert task.check(wrong).first_error == at
        moved = [*good]
        moved[at - 1] = Record(good[at - 1].action, good[at - 2].state)
        assert task.check(moved).first_error == at


def test_objections_are_about_rules_not_about_what_is_right() -> None:
    task, state = CASES["sorting"].task, CASES["sorting"].task.initial()
    assert not task.objection(state, Ordered("swap", (-3, 5)))
    assert not task.objection(state, Ordered("keep", (5, -3)))
    assert task.objection(state, Ordered("swap", (5, -3)))
    long = Multiplication(99, 99)
    adding = long.initial()._replace(step=4, row="198", total="198")
    assert long.objection(adding, Digits(1, 2))
    assert not long.objection(adding, Digits(5, 1))
    assert not long.objection(long.initial(), Digits(0, 8))


@pytest.mark.parametrize(
    "drawn",
    [
        {"name": "multiplication", "digits": 40, "seed": 3},
        {"name": "multiplication", "digits": 3, "by_digits": 7},
        {"name": "sorting", "length": 256, "seed": 5},
        {"name": "arithmetic", "length": 10_000, "seed": 1},
    ],
)
def test_what_is_drawn_is_written_down_and_stays_the_same(drawn: dict[str, Any]) -> None:
    description = canonical(drawn)
    assert description == canonical(drawn)
    assert not {"digits", "length", "seed"} & set(description)
    assert canonical(description) == description
    assert description != canonical({**drawn, "seed": 99})
    assert build_task(description, "paper").parameters == build_task(drawn, "paper").parameters


def test_the_size_is_the_one_asked_for() -> None:
    assert build_task({"name": "multiplication", "digits": 3, "by_digits": 7}, "paper").label == (
        "multiplication-3x7"
    )
    assert build_task({"name": "sorting", "length": 17}, "paper").steps() == 136
    assert build_task({"name": "arithmetic", "length": 99}, "paper").steps() == 99


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ({"name": "multiplication"}, "give --a and --b"),
        ({"name": "multiplication", "a": 3}, "give --a and --b"),
        ({"name": "multiplication", "a": 3, "b": 4, "digits": 2}, "give --a and --b"),
        ({"name": "multiplication", "a": -3, "b": 4}, "no sign"),
        ({"name": "multiplication", "a": 10**300, "b": 4}, "300 digits"),
        ({"name": "multiplication", "digits": 0}, "between 1 and 300"),
        ({"name": "multiplication", "digits": 2, "by_digits": 301}, "between 1 and 300"),
        ({"name": "multiplication", "digits": "2"}, "not a task"),
        ({"name": "sorting"}, "give --numbers"),
        ({"name": "sorting", "numbers": "3"}, "2 to 256"),
        ({"name": "sorting", "numbers": "3,,4"}, "'' is no whole number"),
        ({"name": "sorting", "numbers": "3,4.5"}, "'4.5' is no whole number"),
        ({"name": "sorting", "length": 257}, "between 2 and 256"),
        ({"name": "arithmetic"}, "give --operations"),
        ({"name": "arithmetic", "length": 4, "start": 1}, "give --operations"),
        ({"name": "arithmetic", "operations": "+5,/3"}, "'/3' is not"),
        ({"name": "arithmetic", "operations": "*99999999999,*99999999999", "start": 9}, "10^18"),
        ({"name": "arithmetic", "operations": "+1", "start": 10**18}, "--start passes"),
        ({"name": "arithmetic", "length": 0}, "between 1 and 10000"),
        ({"name": "chess"}, "the tasks are hanoi"),
        ({}, "the tasks are hanoi"),
    ],
)
def test_impossible_problems_are_refused(description: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        build_task(description, "paper")
    assert words in str(refused.value)


@every
def test_there_is_no_bundled_model(case: Case) -> None:
    with pytest.raises(UsageError, match="name one with --model"):
        case.task.bundled_model()
