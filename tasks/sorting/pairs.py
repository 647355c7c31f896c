"""Bubble sort: which neighbours meet, and what follows.

Passes run over the list from the left; each takes the largest number left to the end of the part
not yet sorted. A step shows two neighbours, and they are kept or swapped. Which pair comes next
does not depend on the numbers, so a list of n takes n(n-1)/2 steps, whatever is in it. Which pair
is next is bookkeeping; which number is larger is asked of the model.
"""

from typing import Literal, NamedTuple, TypeAlias

Pair: TypeAlias = tuple[int, int]


class State(NamedTuple):
    """How far the work has come.

    Attributes:
        numbers: the list as it stands.
        at: where the left number of the next pair stands.
        end: the last place of the part that is not yet sorted.
    """

    numbers: tuple[int, ...]
    at: int
    end: int

    @property
    def pair(self) -> Pair:
        """The two neighbours of the next step."""
        return self.numbers[self.at], self.numbers[self.at + 1]


class Step(NamedTuple):
    """What a microagent answers: what is done, and the pair after it."""

    action: Literal["keep", "swap"]
    pair: Pair


def advance(state: State, step: Step) -> State:
    """The voted pair in its place; at the end of a pass, the next pass."""
    at, end = state.at, state.end
    numbers = state.numbers[:at] + step.pair + state.numbers[at + 2 :]
    return State(numbers, at + 1, end) if at + 1 < end else State(numbers, 0, end - 1)


def order(pair: Pair) -> Step:
    """The right answer: the rule that drafts, rehearses and verifies, never votes."""
    left, right = pair
    return Step("swap", (right, left)) if left > right else Step("keep", pair)
