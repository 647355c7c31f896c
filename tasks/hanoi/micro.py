"""What it takes to train a micro model on Hanoi: symbols, examples, and the two examinations."""

from random import Random

from tasks.hanoi.compact import symbols
from tasks.hanoi.examples import (
    Example,
    example,
    large_move_situation,
    path_situation,
    random_situation,
    training_example,
    unseen_situation,
)
from tasks.hanoi.task import BUNDLED_DISKS, Hanoi, State

SYMBOLS = symbols(64)
NAME = "hanoi-micro"


def draw(rng: Random) -> Example:
    """A training pair of 1 to 20 disks."""
    return training_example(rng, BUNDLED_DISKS)


def state(task: Hanoi, rng: Random) -> State:
    """A random legal state of a task's puzzle, anywhere, not on the way of its solution alone."""
    while True:
        pegs, previous, turn = random_situation(rng, task.disks)
        if turn == task.turn:
            return State(pegs, previous)


def examinations(seed: int, count: int) -> dict[str, list[Example]]:
    """Questions by name: states never trained on, and steps on the way of shortest solutions."""
    rng = Random(f"examination {seed}")
    return {
        "unseen random states, 3-20 disks": [
            example(unseen_situation(rng, rng.randint(3, BUNDLED_DISKS))) for _ in range(count)
        ],
        "on-path states, 3-20 disks": [
            example(path_situation(rng, rng.randint(3, BUNDLED_DISKS))) for _ in range(count)
        ],
        "on-path states, 20 disks": [
            example(path_situation(rng, BUNDLED_DISKS)) for _ in range(count)
        ],
        "moves of disks 8-20, 20 disks": [
            example(large_move_situation(rng, BUNDLED_DISKS, rng.randint(8, BUNDLED_DISKS)))
            for _ in range(count)
        ],
    }
