"""The ``paper`` prompt style, for general language models.

It tells a model what MAKER's prompt tells it (rules, strategy, previous move, current state) and
demands the same two lines back, ``move = [..]`` and ``next_state = [[..], [..], [..]]``. The state
in the prompt is written exactly as it must be in the answer.

The parser is the paper's strict one: the last occurrence of each line counts; a move is three
integers; a state is three lists holding every disk once. It does not know the rules of the game.
"""

import json
import re

from reason.prompt import Message
from tasks.base import RedFlag
from tasks.hanoi.rules import Move, Pegs

SYSTEM = """\
You carry out one step of a Towers of Hanoi solution.

There are three pegs, numbered 0, 1 and 2, and disks of different sizes, numbered by size; disk 1 \
is the smallest. The rules:
- A step moves one disk from one peg to another.
- Only the top disk of a peg can be moved.
- A disk may rest only on an empty peg or on a larger disk.

A state lists the three pegs in order, each from its bottom disk to its top disk. For example \
[[3, 2], [], [1]] has disks 3 and 2 on peg 0, with 2 on top, nothing on peg 1 and disk 1 on peg 2.

Work out a single step: the next move and the state that it leads to. Keep any reasoning short, \
then end with exactly these two lines:
move = [disk, from_peg, to_peg]
next_state = [[peg 0], [peg 1], [peg 2]]"""

USER = """\
Strategy:
- If the previous move did not move disk 1 (or there is no previous move), move disk 1 one peg \
{turn}.
- If the previous move moved disk 1, make the only legal move that does not move disk 1.

Previous move: {previous}
Current state: {state}

Give the next move and the state after it."""

REWORDED = """\
Below is one moment of a Towers of Hanoi solution. Say what happens next.

Pegs 0, 1 and 2 hold disks; the number of a disk is its size. Allowed is a move that takes the top \
disk of one peg and lays it on an empty peg or on top of a larger disk. Pegs are written in order \
as lists from the bottom up: in [[3, 2], [], [1]], peg 0 holds disk 3 under disk 2, peg 1 is empty \
and peg 2 holds disk 1.

Think briefly if you must. The last two lines of your answer have to be:
move = [disk, from_peg, to_peg]
next_state = [[peg 0], [peg 1], [peg 2]]"""

WORDINGS = (SYSTEM, REWORDED)

TURNS = {1: "forward (0 to 1, 1 to 2, 2 to 0)", -1: "backward (0 to 2, 2 to 1, 1 to 0)"}

_MOVE = re.compile(r"\bmove\s*=\s*(\[[^\[\]]*\])")
_STATE = re.compile(
    r"\bnext_state\s*=\s*(\[\s*\[[^\[\]]*\]\s*,\s*\[[^\[\]]*\]\s*,\s*\[[^\[\]]*\]\s*\])"
)
_ASKED = re.compile(r"one peg (forward|backward).*Previous move: (.+)\nCurrent state: (.+)\n", re.S)


def write_pegs(pegs: Pegs) -> str:
    """``[[2, 1], [], [3]]``."""
    return json.dumps(pegs)


def write_prompt(pegs: Pegs, previous: Move | None, turn: int, wording: int = 0) -> list[Message]:
    """The chat that asks for one step, in one of :data:`WORDINGS`."""
    user = USER.format(
        turn=TURNS[turn],
        previous=json.dumps(previous) if previous else "none",
        state=write_pegs(pegs),
    )
    return [{"role": "system", "content": WORDINGS[wording]}, {"role": "user", "content": user}]


def write_answer(move: Move, pegs: Pegs) -> str:
    """An answer in the demanded form."""
    return f"move = {json.dumps(move)}\nnext_state = {write_pegs(pegs)}"


def _integers(text: str) -> list[object]:
    try:
        values = json.loads(text)
    except ValueError:
        raise RedFlag("malformed") from None
    assert isinstance(values, list)
    return values


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def read_answer(text: str) -> tuple[Move, Pegs]:
    """Move and next pegs of an answer. Raises RedFlag unless both lines have the exact form."""
    moves, states = _MOVE.findall(text), _STATE.findall(text)
    if not moves or not states:
        raise RedFlag("malformed")
    move, pegs = _integers(moves[-1]), _integers(states[-1])
    if len(move) != 3 or not all(map(_is_int, move)):
        raise RedFlag("malformed")
    a, b, c = (tuple(peg) for peg in pegs if isinstance(peg, list))
    if not all(map(_is_int, (*a, *b, *c))):
        raise RedFlag("malformed")
    return Move(*move), (a, b, c)  # type: ignore[arg-type]


def read_prompt(messages: list[Message]) -> tuple[Pegs, Move | None, int]:
    """Pegs, previous move and turn of a prompt of this style; ValueError for any other."""
    match = _ASKED.search(messages[-1]["content"])
    if match is None:
        raise ValueError("not a Hanoi prompt in the paper style")
    turn, previous, state = match.groups()
    a, b, c = (tuple(peg) for peg in json.loads(state))
    before = None if previous == "none" else Move(*json.loads(previous))
    return (a, b, c), before, 1 if turn == "forward" else -1
