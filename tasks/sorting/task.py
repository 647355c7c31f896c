"""Sorting as a :class:`tasks.base.Task`."""

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Annotated, Any

from reason.errors import UsageError
from reason.prompt import Prompt
from tasks.base import Parameter, Record, RedFlag, Rehearsal, Trial, Variant, Verdict
from tasks.replay import replay
from tasks.sorting import wording
from tasks.sorting.pairs import State, Step, advance, order

MAX_LENGTH = 256
DRAWN = 24  # numbers that a terminal shows


class Sorting:
    """Sorting a list of whole numbers: one comparison of two neighbours a step.

    The numbers are given, or drawn at random from 0 to 999. Raises UsageError for a list that
    cannot be read, or that has not 2 to 256 numbers.
    """

    name = "sorting"
    style = "paper"
    max_tokens = 300
    stop: tuple[str, ...] = ()

    def __init__(
        self,
        numbers: Annotated[str | None, Parameter("Whole numbers, such as 5,3,9.")] = None,
        length: Annotated[
            int | None, Parameter("How many random numbers, 2 to 256, in place of them.", "-n")
        ] = None,
        seed: Annotated[int, Parameter("Of the random numbers.")] = 0,
    ) -> None:
        if (numbers is None) == (length is None):
            raise UsageError("give --numbers, or --length (with --seed)")
        self.numbers = _draw(length or 0, seed) if numbers is None else _read(numbers)
        if not 2 <= len(self.numbers) <= MAX_LENGTH:
            raise UsageError(
                f"a list to sort has 2 to {MAX_LENGTH} numbers, not {len(self.numbers)}"
            )
        self._known = frozenset(self.numbers)

    @property
    def label(self) -> str:
        """A short name for run directories and reports."""
        return f"sorting-{len(self.numbers)}"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The numbers themselves, drawn or given."""
        return {"numbers": ",".join(map(str, self.numbers))}

    def bundled_model(self) -> Path:
        """There is none: raises UsageError."""
        raise UsageError("no micro model is bundled for sorting: name one with --model")

    def initial(self) -> State:
        """The list as given, at the first pair."""
        return State(self.numbers, 0, len(self.numbers) - 1)

    def steps(self) -> int:
        """n(n-1)/2, whatever the numbers."""
        return len(self.numbers) * (len(self.numbers) - 1) // 2

    def prompt(self, state: State) -> Prompt:
        """Two neighbours; nothing else."""
        return wording.write_prompt(state.pair)

    def parse(self, text: str) -> Step:
        """Read an answer; RedFlag unless its form is exact and its numbers are in the list."""
        step = wording.read_answer(text)
        if not self._known.issuperset(step.pair):
            raise RedFlag("numbers")
        return step

    def variants(self) -> Sequence[Variant]:
        """The list from the left, and the same list in a mirror."""
        return [
            Variant("ascending", self.prompt, self.parse),
            Variant(
                "descending",
                lambda state: wording.write_prompt(state.pair, 1),
                lambda text: wording.mirror(self.parse(text)),
            ),
        ]

    def objection(self, state: State, step: Step) -> str:
        """The pair must be what the action makes of the two neighbours."""
        after = state.pair if step.action == "keep" else state.pair[::-1]
        return "" if step.pair == after else "wrong pair"

    def key(self, step: Step) -> Hashable:
        """Action and pair; with the state they make the next state."""
        return step

    def advance(self, state: State, step: Step) -> State:
        """The voted pair in its place."""
        return advance(state, step)

    def done(self, state: State) -> bool:
        """Whether all passes are over."""
        return state.end == 0

    def draft(self, state: State) -> State:
        """Where the rule would lead."""
        return advance(state, order(state.pair))

    def record(self, step: Step, state: State) -> Record:
        """``swap 3 9``, and ``at end`` with all numbers."""
        left, right = step.pair
        numbers = " ".join(map(str, state.numbers))
        return Record(f"{step.action} {left} {right}", f"{state.at} {state.end} {numbers}")

    def restore(self, record: Record) -> State:
        """The state of a record."""
        at, end, *numbers = map(int, record.state.split(" "))
        return State(tuple(numbers), at, end)

    def result(self, state: State) -> str:
        """The list as it stands."""
        return ",".join(map(str, state.numbers))

    def check(self, records: Iterable[Record]) -> Verdict:
        """Every pair kept or swapped as it should be, to the last."""
        return replay(self, lambda state: order(state.pair), records)

    def trials(self, rng: Random, count: int) -> Sequence[Trial]:
        """Random pairs of the list, in a list shuffled anew each time."""
        return [self._trial(rng) for _ in range(count)]

    def _trial(self, rng: Random) -> Trial:
        shuffled = tuple(rng.sample(self.numbers, len(self.numbers)))
        state = State(shuffled, rng.randrange(len(shuffled) - 1), len(shuffled) - 1)
        return Trial(state, self.key(order(state.pair)))

    def picture(self, state: State) -> str:
        """The numbers around the next pair, which is marked."""
        first = max(0, state.at - DRAWN // 2)
        shown = [str(number) for number in state.numbers[first : first + DRAWN]]
        at = state.at - first
        shown[at : at + 2] = [f"[{' '.join(shown[at : at + 2])}]"]
        return " ".join(shown)

    def rehearse(self, prompt: Prompt) -> Rehearsal:
        """Answers of a simulated model, read from the prompt alone."""
        return wording.rehearse(prompt)


def _read(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not re.fullmatch(r"-?[0-9]{1,12}", part):
            raise UsageError(
                f"--numbers: {part!r} is no whole number of up to 12 digits; write 5,3,9"
            )
    return tuple(map(int, parts))


def _draw(length: int, seed: int) -> tuple[int, ...]:
    if not 2 <= length <= MAX_LENGTH:
        raise UsageError(f"--length must lie between 2 and {MAX_LENGTH}, not {length}")
    rng = Random(f"sorting {seed}")
    return tuple(rng.randrange(1000) for _ in range(length))
