"""The contract between a problem and the microagents that solve it one step at a time.

A task describes itself: how a state is written into a prompt, how an answer is read back, when
two answers are the same vote, and what the next state is. It never tells a solver which answer is
right. Ground truth lives behind two doors only: :meth:`Task.check`, an offline verdict over a
finished record, and :meth:`Task.trials`, random steps of known answer on which a model's skill is
measured before a run. Neither is called while a step is being decided.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Protocol

from reason.prompt import Prompt


class RedFlag(Exception):
    """An answer to discard: malformed, over-long, or refused by a predicate.

    It is never repaired; the vote is drawn again (MAKER section 3.3).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Record(NamedTuple):
    """One committed step as the journal keeps it: both fields in the task's own text form."""

    action: str
    state: str


class Trial(NamedTuple):
    """A step whose right answer is known, to measure a model on."""

    state: Any
    key: Hashable


class Parameter(NamedTuple):
    """What the command line says of a parameter of a task's class.

    A class marks its parameters with it: ``disks: Annotated[int, Parameter("Number of disks.")]``.

    Attributes:
        help: one sentence.
        short: a flag of one letter, such as ``-n``.
    """

    help: str
    short: str = ""


class Variant(NamedTuple):
    """One of several ways to ask for the same step.

    A model that errs at a state errs at every vote on it, if all votes ask in the same words.
    Asked in other words, or with the puzzle's pegs renamed, it mostly errs elsewhere.

    Attributes:
        name: for people.
        prompt: what a microagent sees of a state.
        parse: reads an answer back into the task's own terms; raises RedFlag.
    """

    name: str
    prompt: Callable[[Any], Prompt]
    parse: Callable[[str], Any]


class Rehearsal(Protocol):
    """What a *simulated* model may say to a prompt: the right answer, or a plausible wrong one."""

    @property
    def right(self) -> str:
        """The right answer."""
        ...

    @property
    def wrong(self) -> tuple[str, ...]:
        """Different wrong answers, at least one."""
        ...


class Answers(NamedTuple):
    """A plain :class:`Rehearsal`, for a task that can name all its answers at once."""

    right: str
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """The offline judgement of a record.

    ``first_error`` is the 1-based step at which the record leaves the correct path.
    """

    ok: bool
    steps: int
    reason: str = ""
    first_error: int | None = None


class Task(Protocol):
    """A problem cut into its smallest steps. States and steps are of the task's own types.

    A state must be cheap to compare (``==``), for speculation does so at every step.

    Attributes:
        name: the word that selects the task on the command line.
        style: the prompt style in force.
        max_tokens: the completion cap above which an answer is red-flagged.
        stop: strings at which a server may end the completion.
    """

    name: str
    style: str
    max_tokens: int
    stop: tuple[str, ...]

    @property
    def label(self) -> str:
        """A short name for run directories and reports."""
        ...

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Arguments of the task's class that make this very problem again; JSON-able."""
        ...

    def bundled_model(self) -> Path:
        """The micro model that ships with the task; raises UsageError where there is none."""
        ...

    def initial(self) -> Any:
        """The state before the first step."""
        ...

    def steps(self) -> int | None:
        """The number of steps of a solution, when it is known beforehand."""
        ...

    def prompt(self, state: Any) -> Prompt:
        """Everything a microagent sees for one step."""
        ...

    def parse(self, text: str) -> Any:
        """Read one answer; raises RedFlag for any answer that breaks the demanded form."""
        ...

    def variants(self) -> Sequence[Variant]:
        """Ways to ask for a step, :meth:`prompt` and :meth:`parse` first."""
        ...

    def objection(self, state: Any, step: Any) -> str:
        """Why the rules forbid ``step`` at ``state``, or nothing.

        It says whether a step is allowed, never whether it is right, and it is asked only when the
        user wants transitions checked.
        """
        ...

    def key(self, step: Any) -> Hashable:
        """The canonical vote: equal keys are the same (action, next state)."""
        ...

    def advance(self, state: Any, step: Any) -> Any:
        """The state that ``step`` says follows; the voted one, not a simulator's."""
        ...

    def done(self, state: Any) -> bool:
        """Whether ``state`` needs no further step."""
        ...

    def draft(self, state: Any) -> Any:
        """A guess at the next state, or None; it lets later steps start early and never votes."""
        ...

    def record(self, step: Any, state: Any) -> Record:
        """A step, and the state that :meth:`advance` made of it, in the journal's text form."""
        ...

    def restore(self, record: Record) -> Any:
        """The state of a :meth:`record`."""
        ...

    def result(self, state: Any) -> str:
        """What a finished run answers, for people; empty where the steps are the answer."""
        ...

    def check(self, records: Iterable[Record]) -> Verdict:
        """Judge a record against ground truth, offline."""
        ...

    def trials(self, rng: Random, count: int) -> Sequence[Trial]:
        """Random steps of known answer, for measuring a model before a run."""
        ...

    def picture(self, state: Any) -> str:
        """The state drawn for a terminal; empty where there is nothing worth drawing."""
        ...

    def rehearse(self, prompt: Prompt) -> Rehearsal:
        """Material for the simulated model of tests and benchmarks."""
        ...
