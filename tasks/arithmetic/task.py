"""A chain of arithmetic as a :class:`tasks.base.Task`."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Annotated, Any

from reason.errors import UsageError
from reason.prompt import Prompt
from tasks.arithmetic import wording
from tasks.arithmetic.chain import DRAWN, State, check_values, draw_chain, read_chain
from tasks.base import Parameter, Record, Rehearsal, Trial, Variant, Verdict
from tasks.replay import replay


class Arithmetic:
    """A chain of arithmetic: one operation on the last value a step.

    Start and operations are given, or drawn at random. Raises UsageError for operations that cannot
    be read, and for values of more than 18 digits.
    """

    name = "arithmetic"
    style = "paper"
    max_tokens = 300
    stop: tuple[str, ...] = ()

    def __init__(
        self,
        start: Annotated[int | None, Parameter("Value to start from, 0 if left out.")] = None,
        operations: Annotated[str | None, Parameter("Operations, such as +5,*3,-4.")] = None,
        length: Annotated[
            int | None,
            Parameter("How many random operations, 1 to 10,000, in place of them.", "-n"),
        ] = None,
        seed: Annotated[int, Parameter("Of the random operations.")] = 0,
    ) -> None:
        if operations is not None and length is None:
            self.start, self.chain = start or 0, read_chain(operations)
        elif length is not None and operations is None and start is None:
            self.start, self.chain = draw_chain(length, seed)
        else:
            raise UsageError("give --operations (with --start), or --length (with --seed)")
        check_values(self.start, self.chain)

    @property
    def label(self) -> str:
        """A short name for run directories and reports."""
        return f"arithmetic-{len(self.chain)}"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Start and operations themselves, drawn or given."""
        return {"start": self.start, "operations": ",".join(map(str, self.chain))}

    def bundled_model(self) -> Path:
        """There is none: raises UsageError."""
        raise UsageError("no micro model is bundled for arithmetic: name one with --model")

    def initial(self) -> State:
        """The start."""
        return State(0, self.start)

    def steps(self) -> int:
        """One for every operation."""
        return len(self.chain)

    def prompt(self, state: State) -> Prompt:
        """The value and the operation; nothing else."""
        return self._ask(0, state)

    def parse(self, text: str) -> int:
        """Read an answer; RedFlag unless its form is exact."""
        return wording.read_answer(text)

    def variants(self) -> Sequence[Variant]:
        """In words, and as a formula."""
        return [
            Variant(name, partial(self._ask, at), self.parse)
            for at, name in enumerate(("words", "formula"))
        ]

    def _ask(self, at: int, state: State) -> Prompt:
        return wording.write_prompt(state.value, self.chain[state.step], at)

    def objection(self, state: State, step: int) -> str:
        """The rules allow any value."""
        return ""

    def key(self, step: int) -> Hashable:
        """The value; with the state it makes the next state."""
        return step

    def advance(self, state: State, step: int) -> State:
        """The voted value."""
        return State(state.step + 1, step)

    def done(self, state: State) -> bool:
        """Whether every operation is done."""
        return state.step >= len(self.chain)

    def draft(self, state: State) -> State:
        """Where the rule would lead."""
        return self.advance(state, self._right(state))

    def record(self, step: int, state: State) -> Record:
        """``= 12``, and how many operations are done with the value."""
        return Record(f"= {step}", f"{state.step} {state.value}")

    def restore(self, record: Record) -> State:
        """The state of a record."""
        step, value = map(int, record.state.split(" "))
        return State(step, value)

    def result(self, state: State) -> str:
        """The value."""
        return str(state.value)

    def check(self, records: Iterable[Record]) -> Verdict:
        """Every value right, to the last."""
        return replay(self, self._right, records)

    def _right(self, state: State) -> int:
        return self.chain[state.step].apply(state.value)

    def trials(self, rng: Random, count: int) -> Sequence[Trial]:
        """Random values before random operations of the chain."""
        return [self._trial(rng) for _ in range(count)]

    def _trial(self, rng: Random) -> Trial:
        span = max(DRAWN, abs(self.start))
        state = State(rng.randrange(len(self.chain)), rng.randrange(1 - span, span))
        return Trial(state, self.key(self._right(state)))

    def picture(self, state: State) -> str:
        """The value so far."""
        return str(state.value)

    def rehearse(self, prompt: Prompt) -> Rehearsal:
        """Answers of a simulated model, read from the prompt alone."""
        return wording.rehearse(prompt)
