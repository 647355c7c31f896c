"""Hanoi: rules against closed forms, both styles against their parsers, the offline check."""

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reason.errors import UsageError
from tasks.base import Record, RedFlag
from tasks.hanoi import compact, paper
from tasks.hanoi.examples import (
    Situation,
    example,
    held_out,
    path_situation,
    random_situation,
    right_step,
    training_example,
    unseen_situation,
)
from tasks.hanoi.rehearsal import rehearse
from tasks.hanoi.rules import (
    Move,
    Pegs,
    apply,
    direction,
    is_legal,
    optimal_move,
    optimal_pegs,
    stack,
    strategy_move,
)
from tasks.hanoi.task import Hanoi, State, Step

PEGS = [(s, g) for s in range(3) for g in range(3) if s != g]
situations = st.builds(
    lambda seed, disks: random_situation(Random(seed), disks), st.integers(), st.integers(1, 64)
)


@pytest.mark.parametrize(("start", "goal"), PEGS)
@pytest.mark.parametrize("disks", range(1, 10))
def test_the_strategy_is_optimal_for_every_stack_and_pegs(
    disks: int, start: int, goal: int
) -> None:
    pegs, previous = stack(disks, start), None
    turn = direction(disks, start, goal)
    for step in range(1, 2**disks):
        move = strategy_move(pegs, previous, turn)
        assert move is not None
        assert move == optimal_move(step, disks, start, goal)
        assert is_legal(pegs, move)
        pegs, previous = apply(pegs, move), move
        assert pegs == optimal_pegs(step, disks, start, goal)
    assert pegs == stack(disks, goal)


def test_the_papers_clockwise_rule_is_that_of_an_even_stack() -> None:
    assert direction(20, 0, 2) == 1
    assert direction(3, 0, 2) == -1


@given(st.integers(1, 2**64 - 1))
def test_the_oracle_reaches_64_disks(step: int) -> None:
    before, after = optimal_pegs(step - 1, 64), optimal_pegs(step, 64)
    move = optimal_move(step, 64)
    assert is_legal(before, move)
    assert apply(before, move) == after


@given(situations)
def test_compact_prompts_and_answers_round_trip(situation: Situation) -> None:
    assert compact.read_prompt(compact.write_prompt(*situation)) == situation
    step = strategy_move(*situation)
    if step is not None:
        after = apply(situation.pegs, step)
        assert compact.read_answer(compact.write_answer(step, after)) == (step, after)


@given(situations)
def test_paper_prompts_and_answers_round_trip(situation: Situation) -> None:
    prompt = paper.write_prompt(*situation)
    assert paper.read_prompt(prompt) == situation
    # The state is shown in exactly the syntax that the answer must use.
    move = Move(1, 0, 1)
    assert paper.write_pegs(situation.pegs) in prompt[-1]["content"]
    assert paper.read_answer(paper.write_answer(move, situation.pegs)) == (move, situation.pegs)


GOOD = "Disk 1 moves.\nmove = [1, 0, 1]\nnext_state = [[3, 2], [1], []]"


def test_the_paper_parser_takes_the_last_of_each_line() -> None:
    step = Hanoi(3, style="paper").parse("move = [9, 9, 9]\nnext_state = [[], [], []]\n" + GOOD)
    assert step == Step(Move(1, 0, 1), ((3, 2), (1,), ()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot help with that.",
        GOOD.replace("move = [1, 0, 1]", ""),
        GOOD.replace("[1, 0, 1]", "[1, 0]"),
        GOOD.replace("[1, 0, 1]", "[1.0, 0, 1]"),
        GOOD.replace("[1, 0, 1]", "['1', 0, 1]"),
        GOOD.replace("[1, 0, 1]", "[true, 0, 1]"),
        GOOD.replace("[1, 0, 1]", "(1, 0, 1)"),
        GOOD.replace("[1, 0, 1]", "[1, 0, -1]"),  # not peg 2, though a list would say so
        GOOD.replace("[1, 0, 1]", "[1, 1, 3]"),
        GOOD.replace("[1, 0, 1]", "[0, 0, 1]"),
        GOOD.replace("[1, 0, 1]", "[4, 0, 1]"),
        GOOD.replace("[[3, 2], [1], []]", "[[3, 2], [1], []"),
        GOOD.replace("[[3, 2], [1], []]", "[[3, 2], [1]]"),
        GOOD.replace("[[3, 2], [1], []]", "((3, 2), (1,), ())"),
        GOOD.replace("[[3, 2], [1], []]", "[[3, 2], [], []]"),
        GOOD.replace("[[3, 2], [1], []]", "[[3, 2], [1], [1]]"),
        GOOD.replace("[[3, 2], [1], []]", "[[4, 2], [1], []]"),
        GOOD.replace("[[3, 2], [1], []]", "[[3, '2'], [1], []]"),
        GOOD.replace("[[3, 2], [1], []]", "[[3, 2], [01], []]"),
    ],
)
def test_the_paper_parser_flags_what_is_malformed(text: str) -> None:
    with pytest.raises(RedFlag):
        Hanoi(3, style="paper").parse(text)


@pytest.mark.parametrize("peg", [-1, 3])
def test_no_move_to_a_peg_that_does_not_exist_is_recorded(peg: int) -> None:
    with pytest.raises(KeyError):
        compact.write_move(Move(1, 0, peg))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 A B : 3 2 | 1 |",
        " 1 A B : 3 2 | 1",
        " 1 A B : 3 | 1 |",
        " 1 A D : 3 2 | 1 |",
        " 4 A B : 3 2 | 1 |",
        " 1 A B : 3 2 | 1 | ok",
        " 1 A B : 3 2 | 1 1 |",
        " 1 A B : 3  2 | 1 |",
    ],
)
def test_the_compact_parser_flags_what_is_malformed(text: str) -> None:
    with pytest.raises(RedFlag):
        Hanoi(3).parse(text)


@given(st.text())
def test_no_text_crashes_a_parser(text: str) -> None:
    for style in ("compact", "paper"):
        for noise in (text, f" 1 A B :{text}|{text}|", f"move = [{text}]\nnext_state = [[{text}]]"):
            try:
                Hanoi(3, style=style).parse(noise)
            except RedFlag:
                continue


@given(situations)
def test_records_restore_the_state(situation: Situation) -> None:
    task = Hanoi(sum(map(len, situation.pegs)))
    step = Step(situation.previous or Move(1, 0, 1), situation.pegs)
    state = State(step.pegs, step.move)
    assert task.restore(task.record(step, state)) == state


def test_a_voted_state_that_breaks_the_rules_is_recorded_as_it_was_voted() -> None:
    task, pegs = Hanoi(3), ((1, 3), (), (2,))
    record = task.record(Step(Move(2, 0, 2), pegs), State(pegs, Move(2, 0, 2)))
    assert task.restore(record).pegs == pegs


def solution(task: Hanoi) -> Iterator[Record]:
    pegs = stack(task.disks, task.start)
    for step in range(1, task.steps() + 1):
        move = optimal_move(step, task.disks, task.start, task.goal)
        pegs = apply(pegs, move)
        yield task.record(Step(move, pegs), State(pegs, move))


@pytest.mark.parametrize(("start", "goal"), PEGS)
def test_check_accepts_the_solution_and_nothing_else(start: int, goal: int) -> None:
    task = Hanoi(5, start, goal)
    good = list(solution(task))
    assert task.check(good).ok
    assert not task.check(good[:-1]).ok
    for at in range(len(good)):
        bad = good.copy()
        bad[at] = Record(bad[at].action, bad[at - 1].state)
        assert task.check(bad).first_error == at + 1
    detour = [Record("1 A B", "AAAAB"), Record("1 B C", "AAAAC"), *good[2:]]
    assert not Hanoi(5).check(detour).ok


@pytest.mark.parametrize("arguments", [(0, 0, 2), (65, 0, 2), (3, 0, 0), (3, 0, 3), (3, -1, 2)])
def test_impossible_puzzles_are_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError, match="must"):
        Hanoi(*arguments)


def test_the_bundled_model_knows_its_limit() -> None:
    with pytest.raises(UsageError, match="20 disks"):
        Hanoi(21).bundled_model()


@given(situations, st.sampled_from(["compact", "paper"]))
def test_simulated_slips_are_wrong_but_well_formed(situation: Situation, style: str) -> None:
    disks = sum(map(len, situation.pegs))
    task = Hanoi(disks, style=style)  # type: ignore[arg-type]
    if strategy_move(*situation) is None:
        return
    write = compact.write_prompt if style == "compact" else paper.write_prompt
    rehearsal = rehearse(write(*situation))
    right = Step(*right_step(situation))
    assert task.parse(rehearsal.right) == right
    steps = [task.parse(text) for text in rehearsal.wrong]
    assert steps
    assert right not in steps
    assert len(set(steps)) == len(steps)


def test_training_and_evaluation_examples_never_meet() -> None:
    rng = Random(1)
    trained = {training_example(rng, 8).prompt for _ in range(2000)}
    assert not any(held_out(prompt) for prompt in trained)
    unseen = {example(unseen_situation(rng, 8)).prompt for _ in range(50)}
    assert not unseen & trained


@given(st.integers(), st.integers(1, 64))
def test_path_situations_are_steps_of_a_solution(seed: int, disks: int) -> None:
    pegs, previous, turn = path_situation(Random(seed), disks)
    move = strategy_move(pegs, previous, turn)
    assert move is not None
    assert is_legal(pegs, move)


@pytest.mark.parametrize("pegs", [((1, 2, 3), (), ()), ((3, 1, 2), (), ()), ((2, 3), (1,), ())])
@pytest.mark.parametrize("previous", [None, Move(1, 0, 1), Move(2, 0, 1)])
def test_a_simulated_model_has_answers_even_on_broken_pegs(
    pegs: Pegs, previous: Move | None
) -> None:
    rehearsal = rehearse(compact.write_prompt(pegs, previous, 1))
    assert rehearsal.right not in rehearsal.wrong
    assert rehearsal.wrong
