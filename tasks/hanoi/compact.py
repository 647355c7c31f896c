"""The ``compact`` prompt style, for micro models trained on it.

One line holds the state, one line answers it, and both write a state the same way: disks from
bottom to top, pegs divided by bars, every symbol led by a space so that each is one token.

    prompt:  > 1 A B : 4 3 | 2 1 | =          turn of disk 1, previous move, pegs
    answer:   3 A C : 4 | 2 1 | 3             move, next pegs

``>`` turns disk 1 A→B→C→A, ``<`` the other way (the strategy, as the paper's prompt gives it);
``-`` stands for a previous move that does not exist yet.
"""

import re

from tasks.base import RedFlag
from tasks.hanoi.rules import Move, Pegs

PEG_NAMES = "ABC"
STOP = "\n"
_NAME_OF = dict(enumerate(PEG_NAMES))  # unlike a text, it has no peg -1
_MOVE = r" (\d{1,2}) ([ABC]) ([ABC])"
_PEGS = r"((?: \d{1,2})*) \|((?: \d{1,2})*) \|((?: \d{1,2})*)"
_ANSWER = re.compile(_MOVE + r" :" + _PEGS + r"\n?")
_PROMPT = re.compile(r"([<>])(?: -|" + _MOVE + r") :" + _PEGS + r" =")


def write_pegs(pegs: Pegs) -> str:
    """`` 4 3 | 2 1 |`` for ((4, 3), (2, 1), ())."""
    return " |".join("".join(f" {disk}" for disk in peg) for peg in pegs)


def write_move(move: Move) -> str:
    """`` 1 A B`` for disk 1 from peg 0 to peg 1."""
    return f" {move.disk} {_NAME_OF[move.source]} {_NAME_OF[move.target]}"


def write_prompt(pegs: Pegs, previous: Move | None, turn: int) -> str:
    """The whole prompt of one step."""
    before = write_move(previous) if previous else " -"
    return f"{'>' if turn == 1 else '<'}{before} :{write_pegs(pegs)} ="


def write_answer(move: Move, pegs: Pegs) -> str:
    """The answer that a micro model is trained to give."""
    return f"{write_move(move)} :{write_pegs(pegs)}"


def _read_pegs(a: str, b: str, c: str) -> Pegs:
    return (
        tuple(map(int, a.split())),
        tuple(map(int, b.split())),
        tuple(map(int, c.split())),
    )


def read_answer(text: str) -> tuple[Move, Pegs]:
    """Move and next pegs of an answer. Raises RedFlag unless the form is exact."""
    match = _ANSWER.fullmatch(text)
    if match is None:
        raise RedFlag("malformed")
    disk, source, target, a, b, c = match.groups()
    return Move(int(disk), PEG_NAMES.index(source), PEG_NAMES.index(target)), _read_pegs(a, b, c)


def read_prompt(text: str) -> tuple[Pegs, Move | None, int]:
    """Pegs, previous move and turn of a prompt of this style; ValueError for any other text."""
    match = _PROMPT.fullmatch(text)
    if match is None:
        raise ValueError(f"not a compact Hanoi prompt: {text!r}")
    sign, disk, source, target, a, b, c = match.groups()
    previous = None
    if disk is not None:
        previous = Move(int(disk), PEG_NAMES.index(source), PEG_NAMES.index(target))
    return _read_pegs(a, b, c), previous, 1 if sign == ">" else -1


def symbols(max_disks: int) -> list[str]:
    """Every symbol of the style, for a tokenizer in which each is one token."""
    return [f" {disk}" for disk in range(1, max_disks + 1)] + [
        *(f" {name}" for name in PEG_NAMES),
        *(" |", " :", " =", " -"),
    ]
