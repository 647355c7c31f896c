"""Towers of Hanoi as a :class:`tasks.base.Task`."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from reason.errors import UsageError
from reason.prompt import Prompt
from tasks.base import Parameter, Record, RedFlag, Rehearsal, Trial, Variant, Verdict
from tasks.hanoi import compact, paper
from tasks.hanoi.examples import Situation, path_situation, right_step
from tasks.hanoi.picture import draw
from tasks.hanoi.rehearsal import rehearse
from tasks.hanoi.relabel import ORDERS, Order, inverse, parity, relabel_move, relabel_pegs
from tasks.hanoi.rules import (
    MAX_DISKS,
    Move,
    Pegs,
    apply,
    direction,
    is_legal,
    optimal_move,
    stack,
    strategy_move,
)

Style: TypeAlias = Literal["paper", "compact"]

BUNDLED = Path(__file__).parent / "model" / "hanoi-micro.gguf"
BUNDLED_DISKS = 20


class State(NamedTuple):
    """Where the puzzle stands: the pegs, and the move that led there."""

    pegs: Pegs
    previous: Move | None


class Step(NamedTuple):
    """What a microagent answers: a move, and the pegs that it says follow."""

    move: Move
    pegs: Pegs


class Hanoi:
    """Towers of Hanoi: 2^N - 1 dependent steps, none of which may be wrong.

    A stack of ``disks`` moves from peg ``start`` to peg ``goal``. Raises UsageError for an
    impossible size or peg.
    """

    name = "hanoi"

    def __init__(
        self,
        disks: Annotated[int, Parameter("Number of disks, 1 to 64.", "-n")],
        start: Annotated[int, Parameter("Peg of the stack at the start, 0 to 2.")] = 0,
        goal: Annotated[int, Parameter("Peg that the stack must reach, 0 to 2.")] = 2,
        style: Style = "compact",
    ) -> None:
        if not 1 <= disks <= MAX_DISKS:
            raise UsageError(f"--disks must lie between 1 and {MAX_DISKS}, not {disks}")
        if not {start, goal} <= {0, 1, 2} or start == goal:
            raise UsageError(
                f"--start and --goal must be two different pegs of 0, 1, 2, not {start} and {goal}"
            )
        self.disks, self.start, self.goal = disks, start, goal
        self.style: str = style
        self.turn = direction(disks, start, goal)
        self.max_tokens = 4 * disks + 64 if style == "compact" else 750
        self.stop: tuple[str, ...] = (compact.STOP,) if style == "compact" else ()
        self._disks = tuple(range(1, disks + 1))
        self._read = compact.read_answer if style == "compact" else paper.read_answer

    @property
    def label(self) -> str:
        """A short name for run directories and reports."""
        return f"hanoi-{self.disks}"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Disks and pegs."""
        return {"disks": self.disks, "start": self.start, "goal": self.goal}

    def bundled_model(self) -> Path:
        """The micro model that ships with the task. Raises UsageError beyond its training range."""
        if self.disks > BUNDLED_DISKS:
            raise UsageError(
                f"the bundled micro model was trained on up to {BUNDLED_DISKS} disks, not "
                f"{self.disks}: name another model with --model"
            )
        return BUNDLED

    def initial(self) -> State:
        """All disks on the start peg."""
        return State(stack(self.disks, self.start), None)

    def steps(self) -> int:
        """2^disks - 1, the length of the shortest solution."""
        return (1 << self.disks) - 1

    def prompt(self, state: State) -> Prompt:
        """Strategy, previous move and pegs; nothing else."""
        write = compact.write_prompt if self.style == "compact" else paper.write_prompt
        return write(state.pegs, state.previous, self.turn)

    def parse(self, text: str) -> Step:
        """Read an answer; RedFlag unless its form is exact and it holds every disk once."""
        move, pegs = self._read(text)
        if not (1 <= move.disk <= self.disks and 0 <= move.source <= 2 and 0 <= move.target <= 2):
            raise RedFlag("malformed")
        a, b, c = pegs
        if tuple(sorted(a + b + c)) != self._disks:
            raise RedFlag("disks")
        return Step(move, pegs)

    def variants(self) -> Sequence[Variant]:
        """The pegs renamed in all six ways; in the paper style, each in two wordings by turns."""
        wordings = 1 if self.style == "compact" else 2
        return [
            self._variant(ORDERS[at % 6], (at // 6 + at) % wordings) for at in range(6 * wordings)
        ]

    def _variant(self, order: Order, wording: int) -> Variant:
        name = f"pegs {''.join(map(str, order))}, wording {wording + 1}"
        hear = partial(self._hear, inverse(order))
        return Variant(name, partial(self._ask, order, wording), hear)

    def _ask(self, order: Order, wording: int, state: State) -> Prompt:
        pegs = relabel_pegs(state.pegs, order)
        previous = relabel_move(state.previous, order) if state.previous else None
        turn = self.turn * parity(order)
        if self.style == "compact":
            return compact.write_prompt(pegs, previous, turn)
        return paper.write_prompt(pegs, previous, turn, wording)

    def _hear(self, order: Order, text: str) -> Step:
        move, pegs = self.parse(text)
        return Step(relabel_move(move, order), relabel_pegs(pegs, order))

    def objection(self, state: State, step: Step) -> str:
        """The move must be legal, and the pegs those that follow from it."""
        if not is_legal(state.pegs, step.move):
            return "illegal move"
        return "" if step.pegs == apply(state.pegs, step.move) else "wrong next state"

    def key(self, step: Step) -> Hashable:
        """The pair (move, next pegs) itself."""
        return step

    def advance(self, state: State, step: Step) -> State:
        """The pegs as voted."""
        return State(step.pegs, step.move)

    def done(self, state: State) -> bool:
        """Whether every disk is on the goal peg."""
        return len(state.pegs[self.goal]) == self.disks

    def draft(self, state: State) -> State | None:
        """Where the strategy, carried out by rule, would lead; None where it has no move."""
        move = strategy_move(state.pegs, state.previous, self.turn)
        return State(apply(state.pegs, move), move) if move is not None else None

    def record(self, step: Step, state: State) -> Record:
        """Move as ``1 A B``; pegs as one letter per disk, the largest first."""
        return Record(compact.write_move(step.move)[1:], _write_state(state.pegs, self.disks))

    def restore(self, record: Record) -> State:
        """The state after a recorded step."""
        return State(_read_state(record.state), _read_action(record.action))

    def result(self, state: State) -> str:
        """Nothing: the moves are the answer."""
        return ""

    def check(self, records: Iterable[Record]) -> Verdict:
        """Every move legal, optimal and correctly applied, and the whole stack on the goal peg."""
        pegs, count = stack(self.disks, self.start), 0
        for count, record in enumerate(records, 1):
            reason = self._fault(count, pegs, record)
            if reason:
                return Verdict(False, count, reason, first_error=count)
            pegs = apply(pegs, _read_action(record.action))
        if count < self.steps():
            return Verdict(False, count, f"only {count} of {self.steps()} steps")
        return Verdict(True, count)

    def _fault(self, step: int, pegs: Pegs, record: Record) -> str:
        move = _read_action(record.action)
        if not is_legal(pegs, move):
            return f"step {step}: illegal move {record.action}"
        if step > self.steps() or move != optimal_move(step, self.disks, self.start, self.goal):
            return f"step {step}: {record.action} is not the optimal move"
        if _read_state(record.state) != apply(pegs, move):
            return f"step {step}: {record.action} does not lead to the recorded state"
        return ""

    def trials(self, rng: Random, count: int) -> Sequence[Trial]:
        """Random steps on the way of shortest solutions between any two pegs."""
        return [self._trial(path_situation(rng, self.disks)) for _ in range(count)]

    def _trial(self, situation: Situation) -> Trial:
        pegs, previous, turn = situation
        move, after = right_step(situation)
        if turn != self.turn:  # seen in a mirror, the same step turns the other way
            mirror = ORDERS[1]
            pegs, after = relabel_pegs(pegs, mirror), relabel_pegs(after, mirror)
            previous = relabel_move(previous, mirror) if previous else None
            move = relabel_move(move, mirror)
        return Trial(State(pegs, previous), Step(move, after))

    def picture(self, state: State) -> str:
        """The pegs, for up to ten disks."""
        return draw(state.pegs, self.disks)

    def rehearse(self, prompt: Prompt) -> Rehearsal:
        """Answers of a simulated model, read from the prompt alone."""
        return rehearse(prompt)


def _write_state(pegs: Pegs, disks: int) -> str:
    letters = [""] * (disks + 1)
    for name, peg in zip(compact.PEG_NAMES, pegs, strict=True):
        last = disks + 1
        for disk in peg:
            if disk > last:  # a voted state may break the rules; keep it as it was voted
                return compact.write_pegs(pegs)
            letters[disk] = name
            last = disk
    return "".join(reversed(letters))


def _read_state(text: str) -> Pegs:
    if "|" in text:
        a, b, c = (tuple(map(int, peg.split())) for peg in text.split("|"))
        return a, b, c
    pegs: dict[str, list[int]] = {name: [] for name in compact.PEG_NAMES}
    for disk, name in zip(range(len(text), 0, -1), text, strict=True):
        pegs[name].append(disk)
    return tuple(pegs["A"]), tuple(pegs["B"]), tuple(pegs["C"])


def _read_action(text: str) -> Move:
    disk, source, target = text.split()
    return Move(int(disk), compact.PEG_NAMES.index(source), compact.PEG_NAMES.index(target))
