"""Long multiplication: where a step stands, which digits meet in it, and what follows.

The second factor is taken digit by digit, from the right. Each digit makes a *row*, the product of
the first factor and that digit, worked out one digit a step; the row is then added to the *total*
one place further left, again one digit a step. The first row is the first total. So every step
knows two digits and a carry, and answers a digit and a carry:

    product   x * y + carry    digits of the two factors
    sum       x + y + carry    digits of total and row

Digits are kept the units first, as they arise. What meets what, and where a digit is written, is
bookkeeping; that is done here. What the digits are is asked of the model.
"""

from typing import Literal, NamedTuple


class State(NamedTuple):
    """How far the work has come.

    Attributes:
        step: steps done.
        carry: out of the last step.
        row: digits of the current row, the units first.
        total: digits of the sum of all rows before it, the units first.
    """

    step: int
    carry: int
    row: str
    total: str


class Step(NamedTuple):
    """What a microagent answers."""

    digit: int
    carry: int


class Place(NamedTuple):
    """Where a step stands: which row, which digit of it, and what is done there."""

    row: int
    at: int
    kind: Literal["product", "sum"]


class Sum(NamedTuple):
    """What a microagent is asked: ``x * y + carry`` or ``x + y + carry``."""

    kind: Literal["product", "sum"]
    x: int
    y: int
    carry: int


class Factors(NamedTuple):
    """The two factors as digits, the units first."""

    a: str
    b: str

    @classmethod
    def of(cls, a: int, b: int) -> "Factors":
        """The digits of two numbers."""
        return cls(str(a)[::-1], str(b)[::-1])

    @property
    def steps(self) -> int:
        """All steps: a row for every digit of b, and a sum for every row but the first."""
        return len(self.a) + (len(self.b) - 1) * (2 * len(self.a) + 1)

    def place(self, step: int) -> Place:
        """Where step number ``step`` (from 0) stands."""
        width = len(self.a)
        if step < width:
            return Place(0, step, "product")
        row, at = divmod(step - width, 2 * width + 1)
        return Place(row + 1, at, "product") if at < width else Place(row + 1, at - width, "sum")

    def question(self, state: State) -> Sum:
        """The digits that meet in the next step."""
        row, at, kind = self.place(state.step)
        if kind == "product":
            return Sum(kind, int(self.a[at]), int(self.b[row]), state.carry)
        above = state.total[row + at : row + at + 1] or "0"
        return Sum(kind, int(above), int(state.row[at]), state.carry)

    def advance(self, state: State, step: Step) -> State:
        """Write the digit in its place; at the end of a line, the carry in front of it."""
        row, at, kind = self.place(state.step)
        if kind == "sum":
            return self._add(state, step, row + at, last=at == len(self.a))
        line = state.row + str(step.digit)
        if at + 1 < len(self.a):
            return State(state.step + 1, step.carry, line, state.total)
        line += str(step.carry)
        first = row == 0
        return State(state.step + 1, 0, "" if first else line, line if first else state.total)

    def _add(self, state: State, step: Step, at: int, *, last: bool) -> State:
        total = state.total[:at] + str(step.digit) + state.total[at + 1 :]
        if not last:
            return State(state.step + 1, step.carry, state.row, total)
        over = str(step.carry) if step.carry else ""  # only ever after an error
        return State(state.step + 1, 0, "", total + over)


def work_out(asked: Sum) -> Step:
    """The right answer: the rule that drafts, rehearses and verifies, never votes."""
    kind, x, y, carry = asked
    value = (x * y if kind == "product" else x + y) + carry
    return Step(value % 10, value // 10)


def number(digits: str) -> int:
    """The number that digits stand for, the units first."""
    return int(digits[::-1] or "0")
