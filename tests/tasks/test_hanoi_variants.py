"""Renamed pegs and rewordings: every way of asking leads to the same answer."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.base import RedFlag
from tasks.hanoi.relabel import ORDERS, inverse, parity, relabel_move, relabel_pegs
from tasks.hanoi.rules import Move, Pegs, apply, is_legal
from tasks.hanoi.task import Hanoi, State, Step


@pytest.mark.parametrize("style", ["compact", "paper"])
@pytest.mark.parametrize(("start", "goal"), [(0, 2), (1, 0)])
def test_every_variant_asks_for_the_same_step(style: str, start: int, goal: int) -> None:
    task = Hanoi(5, start, goal, "paper" if style == "paper" else "compact")
    variants = task.variants()
    assert (
        len({variant.name for variant in variants})
        == len(variants)
        == (12 if style == "paper" else 6)
    )
    state = task.initial()
    for _ in range(task.steps()):
        plain = task.parse(task.rehearse(task.prompt(state)).right)
        prompts = [variant.prompt(state) for variant in variants]
        assert prompts[0] == task.prompt(state)
        assert len(set(map(str, prompts))) == len(prompts)
        for variant, prompt in zip(variants, prompts, strict=True):
            assert variant.parse(task.rehearse(prompt).right) == plain
            wrong = variant.parse(task.rehearse(prompt).wrong[0])
            assert wrong != plain
        assert task.objection(state, plain) == ""
        state = task.advance(state, plain)
    assert task.done(state)


@given(st.sampled_from(ORDERS), st.integers(-5, 9), st.integers(-5, 9))
def test_renaming_has_a_way_back(order: tuple[int, int, int], source: int, target: int) -> None:
    pegs: Pegs = ((3,), (2, 1), ())
    back = inverse(order)
    assert relabel_pegs(relabel_pegs(pegs, order), back) == pegs
    move = Move(1, source, target)
    assert relabel_move(relabel_move(move, order), back) == move
    assert parity(order) == parity(back)


def test_a_variant_red_flags_what_the_task_would() -> None:
    for variant in Hanoi(4).variants():
        with pytest.raises(RedFlag):
            variant.parse("nonsense")


def test_objections_are_to_breaches_of_the_rules_alone() -> None:
    task, rng = Hanoi(6), Random(1)
    for trial in task.trials(rng, 300):
        pegs = trial.state.pegs
        move = Move(rng.randint(1, 6), rng.randrange(3), rng.randrange(3))
        after = apply(pegs, move) if is_legal(pegs, move) else pegs
        objection = task.objection(trial.state, Step(move, after))
        assert bool(objection) == (not is_legal(pegs, move))
        right = trial.key
        assert isinstance(right, Step)
        assert task.objection(trial.state, right) == ""
        assert task.objection(trial.state, Step(right.move, pegs)) == "wrong next state"


def test_trials_are_asked_as_a_run_would_ask() -> None:
    for start, goal in ((0, 2), (2, 1)):
        task = Hanoi(7, start, goal)
        for trial in task.trials(Random(4), 200):
            assert isinstance(trial.state, State)
            assert task.parse(task.rehearse(task.prompt(trial.state)).right) == trial.key
