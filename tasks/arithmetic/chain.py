"""Chains of operations: reading, drawing, and what follows a step.

A chain is a start and a list of operations, written ``+5,*3,-4``. Each is applied to the value that
the one before it left. Values stay below 10^18, so that no step outgrows a short prompt.
"""

import re
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from reason.errors import UsageError

LIMIT = 10**18
MAX_LENGTH = 10_000
DRAWN = 10_000  # random chains keep their values within this


class Operation(NamedTuple):
    """A sign of ``+``, ``-``, ``*`` and a number that is not negative."""

    sign: str
    number: int

    def __str__(self) -> str:
        return f"{self.sign}{self.number}"

    def apply(self, value: int) -> int:
        """The right answer: the rule that drafts, rehearses and verifies, never votes."""
        if self.sign == "*":
            return value * self.number
        return value + self.number if self.sign == "+" else value - self.number


class State(NamedTuple):
    """How many operations are done, and the value that they left."""

    step: int
    value: int


def read_chain(text: str) -> tuple[Operation, ...]:
    """Operations from their text. Raises UsageError that names the one at fault."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > MAX_LENGTH:
        raise UsageError(f"--operations: {len(parts)} are too many; the most are {MAX_LENGTH}")
    return tuple(map(_read, parts))


def _read(text: str) -> Operation:
    if not re.fullmatch(r"[+*-][0-9]{1,12}", text):
        raise UsageError(
            f"--operations: {text!r} is not +, - or * and a number of up to 12 digits; "
            "write +5,*3,-4"
        )
    return Operation(text[0], int(text[1:]))


def check_values(start: int, chain: Sequence[Operation]) -> None:
    """Refuse a chain whose values outgrow the limit. Raises UsageError."""
    value = start
    for at, operation in enumerate((Operation("+", 0), *chain)):
        value = operation.apply(value)
        if abs(value) >= LIMIT:
            where = f"operation {at}, {operation}," if at else "--start"
            raise UsageError(f"{where} passes 10^18: give smaller numbers or fewer factors")


def draw_chain(length: int, seed: int) -> tuple[int, tuple[Operation, ...]]:
    """A random start and chain. Raises UsageError for an impossible length."""
    if not 1 <= length <= MAX_LENGTH:
        raise UsageError(f"--length must lie between 1 and {MAX_LENGTH}, not {length}")
    rng = Random(f"arithmetic {seed}")
    start = value = rng.randrange(100)
    chain = []
    for _ in range(length):
        chain.append(_draw(rng, value))
        value = chain[-1].apply(value)
    return start, tuple(chain)


def _draw(rng: Random, value: int) -> Operation:
    """Any operation, drawn again until the value stays in range."""
    while True:
        sign = rng.choice("+-*")
        drawn = Operation(sign, rng.randrange(2, 10) if sign == "*" else rng.randrange(1, 1000))
        if abs(drawn.apply(value)) < DRAWN:
            return drawn
