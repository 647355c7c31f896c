"""Long multiplication as a :class:`tasks.base.Task`."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Annotated, Any

from reason.errors import UsageError
from reason.prompt import Prompt
from tasks.base import Parameter, Record, Rehearsal, Trial, Variant, Verdict
from tasks.multiplication import wording
from tasks.multiplication.digits import Factors, State, Step, number, work_out
from tasks.replay import replay

MAX_DIGITS = 300
DRAWN = 72  # characters of the total that a terminal shows


class Multiplication:
    """Long multiplication by hand: one product or sum of two digits a step.

    The factors are given, or drawn at random with so many digits. Raises UsageError for factors
    that are missing, negative or too long.
    """

    name = "multiplication"
    style = "paper"
    max_tokens = 300
    stop: tuple[str, ...] = ()

    def __init__(
        self,
        a: Annotated[int | None, Parameter("First factor.")] = None,
        b: Annotated[int | None, Parameter("Second factor.")] = None,
        digits: Annotated[
            int | None, Parameter("Digits of random factors, 1 to 300, in place of them.", "-n")
        ] = None,
        by_digits: Annotated[
            int | None, Parameter("Digits of the second, if it has not as many.")
        ] = None,
        seed: Annotated[int, Parameter("Of the random factors.")] = 0,
    ) -> None:
        given, drawn = (a, b), (digits, by_digits)
        if a is not None and b is not None and drawn == (None, None):
            self.a, self.b = a, b
        elif digits is not None and given == (None, None):
            self.a, self.b = _draw(digits, digits if by_digits is None else by_digits, seed)
        else:
            raise UsageError("give --a and --b, or --digits (with --by-digits and --seed)")
        if not all(0 <= factor < 10**MAX_DIGITS for factor in (self.a, self.b)):
            raise UsageError(f"--a and --b must have 1 to {MAX_DIGITS} digits and no sign")
        self._factors = Factors.of(self.a, self.b)

    @property
    def label(self) -> str:
        """A short name for run directories and reports."""
        return f"multiplication-{len(self._factors.a)}x{len(self._factors.b)}"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The factors themselves, drawn or given."""
        return {"a": self.a, "b": self.b}

    def bundled_model(self) -> Path:
        """There is none: raises UsageError."""
        raise UsageError("no micro model is bundled for multiplication: name one with --model")

    def initial(self) -> State:
        """Nothing written down."""
        return State(0, 0, "", "")

    def steps(self) -> int:
        """Known beforehand: it depends on the number of digits alone."""
        return self._factors.steps

    def prompt(self, state: State) -> Prompt:
        """Two digits and a carry; nothing else."""
        return self._ask(0, state)

    def parse(self, text: str) -> Step:
        """Read an answer; RedFlag unless its form is exact."""
        return wording.read_answer(text)

    def variants(self) -> Sequence[Variant]:
        """Two wordings; the second takes the digits the other way round."""
        return [
            Variant(f"wording {at + 1}", partial(self._ask, at), self.parse)
            for at in range(len(wording.WORDINGS))
        ]

    def _ask(self, at: int, state: State) -> Prompt:
        return wording.write_prompt(self._factors.question(state), at)

    def objection(self, state: State, step: Step) -> str:
        """Two digits and a carry add up to less than twenty."""
        summing = self._factors.place(state.step).kind == "sum"
        return "carry out of range" if summing and step.carry > 1 else ""

    def key(self, step: Step) -> Hashable:
        """Digit and carry; with the state they make the next state."""
        return step

    def advance(self, state: State, step: Step) -> State:
        """The voted digit in its place."""
        return self._factors.advance(state, step)

    def done(self, state: State) -> bool:
        """Whether every row is added."""
        return state.step >= self.steps()

    def draft(self, state: State) -> State:
        """Where the rule would lead."""
        return self.advance(state, self._right(state))

    def record(self, step: Step, state: State) -> Record:
        """``digit carry``, and ``step carry row total`` with digits the units first."""
        written = f"{state.step} {state.carry} {state.row or '-'} {state.total or '-'}"
        return Record(f"{step.digit} {step.carry}", written)

    def restore(self, record: Record) -> State:
        """The state of a record."""
        step, carry, row, total = record.state.replace("-", "").split(" ")
        return State(int(step), int(carry), row, total)

    def result(self, state: State) -> str:
        """The product."""
        return str(number(state.total))

    def check(self, records: Iterable[Record]) -> Verdict:
        """Every digit and carry right, to the last."""
        return replay(self, self._right, records)

    def _right(self, state: State) -> Step:
        return work_out(self._factors.question(state))

    def trials(self, rng: Random, count: int) -> Sequence[Trial]:
        """Random digits at random steps."""
        return [self._trial(rng) for _ in range(count)]

    def _trial(self, rng: Random) -> Trial:
        step, width = rng.randrange(self.steps()), len(self._factors.a)
        row, at, kind = self._factors.place(step)
        carry = rng.randrange(9 if kind == "product" else 2) if at else 0
        line, total = (
            _digits(rng, at if kind == "product" else width + 1),
            _digits(rng, width + row),
        )
        state = State(step, carry, line, total)
        return Trial(state, self.key(self._right(state)))

    def picture(self, state: State) -> str:
        """The total so far, its units at the right."""
        shown = str(number(state.total))
        return shown if len(shown) <= DRAWN else f"...{shown[-DRAWN:]}"

    def rehearse(self, prompt: Prompt) -> Rehearsal:
        """Answers of a simulated model, read from the prompt alone."""
        return wording.rehearse(prompt)


def _draw(digits: int, by_digits: int, seed: int) -> tuple[int, int]:
    """Two random factors of so many digits."""
    if not all(1 <= length <= MAX_DIGITS for length in (digits, by_digits)):
        raise UsageError(f"--digits and --by-digits must lie between 1 and {MAX_DIGITS}")
    rng = Random(f"multiplication {seed}")
    a, b = (rng.randrange(10 ** (length - 1), 10**length) for length in (digits, by_digits))
    return a, b


def _digits(rng: Random, count: int) -> str:
    return "".join(rng.choices("0123456789", k=count))
