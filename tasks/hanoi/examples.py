"""Random Hanoi steps of known answer: material for training and measuring micro models.

States are drawn from *all* legal states, not from the path of a solution, so a model trained on
them has to learn the rule. To cover stacks as well as scattered disks, the peg of each disk is
drawn from a random bias, and is with a random stickiness the peg of the next larger disk. In a
third of the states the smallest disks, any number of them, form one tower: without these a model
rarely meets the move of a large disk, and once it errs there, it errs at every vote.

One state in 64, chosen by a hash of its prompt, is never trained on: :func:`held_out` tells which.
"""

import zlib
from random import Random
from typing import NamedTuple

from tasks.hanoi.compact import write_answer, write_prompt
from tasks.hanoi.rules import (
    Move,
    Pegs,
    apply,
    direction,
    optimal_move,
    optimal_pegs,
    stack,
    strategy_move,
)


class Situation(NamedTuple):
    """What a microagent is told before a step: pegs, previous move, turn of disk 1."""

    pegs: Pegs
    previous: Move | None
    turn: int


class Example(NamedTuple):
    """A prompt and the one right answer to it, in the compact style."""

    prompt: str
    answer: str


def random_pegs(rng: Random, disks: int, tower: int = 0) -> Pegs:
    """A legal state of ``disks`` disks whose smallest ``tower`` share a peg."""
    bias = [rng.random() ** 2 + 1e-3 for _ in range(3)]
    sticky = rng.random() if rng.random() < 0.5 else 0.0
    pegs: list[list[int]] = [[], [], []]
    at = 0
    for disk in range(disks, 0, -1):
        if disk == tower or (disk > tower and (disk == disks or rng.random() >= sticky)):
            at = rng.choices((0, 1, 2), bias)[0]
        pegs[at].append(disk)
    return tuple(pegs[0]), tuple(pegs[1]), tuple(pegs[2])


def random_previous(rng: Random, pegs: Pegs, turn: int) -> Move | None:
    """A previous move that the strategy could have made to reach ``pegs``."""
    tops = {at: peg[-1] for at, peg in enumerate(pegs) if peg}
    small = next(at for at, disk in tops.items() if disk == 1)
    others = [at for at in tops if at != small]
    if others and rng.random() < 0.5:
        return Move(1, (small - turn) % 3, small)
    if not others or rng.random() < 0.05:
        return None
    target = rng.choice(others)
    return Move(tops[target], 3 - small - target, target)


def random_situation(rng: Random, disks: int) -> Situation:
    """Any legal state with a matching previous move and turn."""
    turn = rng.choice((1, -1))
    tower = rng.randint(1, disks) if rng.random() < 1 / 3 else 0
    pegs = random_pegs(rng, disks, tower)
    return Situation(pegs, random_previous(rng, pegs, turn), turn)


def large_move_situation(rng: Random, disks: int, large: int) -> Situation:
    """A tower of ``large - 1`` disks has just been finished; disk ``large`` is to move."""
    turn = rng.choice((1, -1))
    while True:
        pegs = random_pegs(rng, disks, large - 1)
        small = next(at for at, peg in enumerate(pegs) if peg and peg[-1] == 1)
        if any(peg and peg[-1] == large for peg in pegs):
            return Situation(pegs, Move(1, (small - turn) % 3, small), turn)


def path_situation(rng: Random, disks: int) -> Situation:
    """A step on the way of a shortest solution between two random pegs."""
    start, goal = rng.sample((0, 1, 2), 2)
    step = rng.randrange(2**disks - 1)
    if step == 0:
        return Situation(stack(disks, start), None, direction(disks, start, goal))
    previous = optimal_move(step, disks, start, goal)
    return Situation(
        optimal_pegs(step, disks, start, goal), previous, direction(disks, start, goal)
    )


def right_step(situation: Situation) -> tuple[Move, Pegs]:
    """The move and next state that the strategy demands."""
    move = strategy_move(*situation)
    if move is None:
        raise ValueError(f"no move follows {situation}")
    return move, apply(situation.pegs, move)


def example(situation: Situation) -> Example:
    """The situation as a training pair."""
    return Example(write_prompt(*situation), write_answer(*right_step(situation)))


def held_out(prompt: str) -> bool:
    """Whether a prompt belongs to the 1/64 kept for evaluation."""
    return zlib.crc32(prompt.encode()) % 64 == 0


def training_example(rng: Random, max_disks: int) -> Example:
    """A random pair of 1 to ``max_disks`` disks that is not held out."""
    while True:
        drawn = example(random_situation(rng, rng.randint(1, max_disks)))
        if not held_out(drawn.prompt):
            return drawn


def unseen_situation(rng: Random, disks: int) -> Situation:
    """A random situation that training never saw."""
    while True:
        drawn = random_situation(rng, disks)
        if held_out(write_prompt(*drawn)):
            return drawn
