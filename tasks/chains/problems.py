"""Chain-arithmetic problems in words: one thing is counted while it is bought, lost, doubled.

    Mia has 12 pens. She buys 5. She loses 8. She doubles them. How many now?

A problem is a start value and a list of operations; every value on the way lies between 0 and 30.
Problems are drawn at random. One in 32, by a hash of its text, belongs to evaluations alone.
"""

from dataclasses import dataclass
from random import Random
from zlib import crc32

TOP = 30  # the largest value on the way
HELD_OUT = 32  # one problem in this many is never trained on

PEOPLE = {
    **dict.fromkeys(("Mia", "Ada", "Eva", "Zoe", "Ida", "Lea", "Amy", "Kim"), "She"),
    **dict.fromkeys(("Tom", "Ben", "Leo", "Max", "Sam", "Ian", "Jon", "Ray"), "He"),
}
THINGS = ("pens", "coins", "cards", "shells", "apples", "books", "stamps", "eggs", "beads", "nuts")

ADDING = ("buys", "finds", "wins", "picks", "gets")
TAKING = ("loses", "sells", "drops", "gives", "breaks")
SCALING = {"doubles them": 2, "triples them": 3}
HALVING = "halves them"


@dataclass(frozen=True)
class Operation:
    """One change: ``words`` as in ``buys 25``, and what it makes of a value."""

    words: str
    add: int = 0
    times: int = 1
    half: bool = False

    def apply(self, value: int) -> int:
        """The value after the change."""
        return value // 2 if self.half else value * self.times + self.add


@dataclass(frozen=True)
class Problem:
    """A start value and the changes that follow."""

    person: str
    thing: str
    start: int
    operations: tuple[Operation, ...]

    @property
    def text(self) -> str:
        """The problem in words, on one line."""
        subject = PEOPLE[self.person]
        told = [f"{self.person} has {self.start} {self.thing}."]
        told += [f"{subject} {operation.words}." for operation in self.operations]
        return " ".join([*told, "How many now?"])

    @property
    def values(self) -> list[int]:
        """The value at the start and after every operation."""
        values = [self.start]
        for operation in self.operations:
            values.append(operation.apply(values[-1]))
        return values

    @property
    def answer(self) -> int:
        """The last value."""
        return self.values[-1]

    @property
    def held_out(self) -> bool:
        """Whether the problem belongs to evaluations alone."""
        return crc32(self.text.encode()) % HELD_OUT == 0


def draw_operation(rng: Random, value: int) -> Operation:
    """A random operation that keeps the value in range; half are additions or subtractions."""
    choices = []
    if value < TOP:
        choices += ["add"] * 4
    if value > 0:
        choices += ["take"] * 4
    choices += ["double"] * (0 < 2 * value <= TOP) + ["triple"] * (0 < 3 * value <= TOP)
    choices += ["half"] * (value > 0 and value % 2 == 0)
    kind = rng.choice(choices)
    if kind == "add":
        number = rng.randint(1, TOP - value)
        return Operation(f"{rng.choice(ADDING)} {number}", add=number)
    if kind == "take":
        number = rng.randint(1, value)
        return Operation(f"{rng.choice(TAKING)} {number}", add=-number)
    if kind == "half":
        return Operation(HALVING, half=True)
    words = "doubles them" if kind == "double" else "triples them"
    return Operation(words, times=SCALING[words])


def draw_problem(rng: Random, operations: int) -> Problem:
    """A random problem with so many operations, held out or not."""
    start = rng.randint(2, TOP)
    value, chain = start, list[Operation]()
    for _ in range(operations):
        chain.append(draw_operation(rng, value))
        value = chain[-1].apply(value)
    return Problem(rng.choice(list(PEOPLE)), rng.choice(THINGS), start, tuple(chain))


def draw_where(rng: Random, operations: int, *, held_out: bool) -> Problem:
    """A random problem of evaluations (``held_out``) or of training."""
    while True:
        problem = draw_problem(rng, operations)
        if problem.held_out == held_out:
            return problem


def words() -> list[str]:
    """Every word of problems and of what is said about them, for a tokenizer."""
    verbs = [word for phrase in (*SCALING, HALVING) for word in phrase.split()]
    inner = [*PEOPLE, "He", "She", "he", "she", *THINGS, *ADDING, *TAKING, *verbs]
    inner += ["has", "many", "now", "after", "and"]
    numbers = [str(number) for number in range(TOP + 1)]
    leading = ["Question", "Answer", "Attempt", "How", *PEOPLE]
    return sorted({f" {word}" for word in (*inner, *numbers, "How")}) + sorted(leading)
