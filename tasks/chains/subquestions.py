"""Decompositions of chain problems: subquestions that each cover some of the operations in turn.

    How many after she buys 5? / How many after she loses 8 and doubles them?

People write subquestions of all sizes, and now and then forget a step. The *human-like*
decompositions drawn here do the same, so a decomposer trained on them has something to learn from
the solver that it will guide.
"""

from dataclasses import dataclass
from random import Random

from tasks.chains.problems import PEOPLE, Problem

SIZES = (1, 2, 3)  # operations that one subquestion covers, ...
WEIGHTS = (4, 3, 2)  # ... and how often
FORGETS = 0.15  # chance that a decomposition leaves one of its subquestions out


@dataclass(frozen=True)
class Subquestion:
    """One subquestion, and the operations of the problem that it covers, as a range."""

    text: str
    first: int
    last: int


def cut(problem: Problem, sizes: list[int]) -> list[Subquestion]:
    """The subquestions that cover ``sizes[0]`` operations, then ``sizes[1]``, and so on."""
    subject = PEOPLE[problem.person].lower()
    asked, at = [], 0
    for size in sizes:
        covered = problem.operations[at : at + size]
        changes = " and ".join(operation.words for operation in covered)
        asked.append(Subquestion(f"How many after {subject} {changes}?", at, at + size))
        at += size
    return asked


def random_sizes(
    rng: Random, operations: int, weights: tuple[int, int, int] = WEIGHTS
) -> list[int]:
    """Random sizes that add up to so many operations."""
    sizes: list[int] = []
    while (left := operations - sum(sizes)) > 0:
        sizes.append(min(left, rng.choices(SIZES, weights)[0]))
    return sizes


def human_like(rng: Random, problem: Problem) -> list[Subquestion]:
    """A decomposition as somebody might write it: of uneven sizes, at times with a gap."""
    asked = cut(problem, random_sizes(rng, len(problem.operations)))
    if len(asked) > 1 and rng.random() < FORGETS:
        asked.pop(rng.randrange(len(asked)))
    return asked
