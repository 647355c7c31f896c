"""Towers of Hanoi: states, the paper's strategy, and the offline oracle.

A state is three pegs, each a tuple of disks from bottom to top; disk 1 is the smallest. The
strategy is the classic one quoted by MAKER (section 4): every other move turns disk 1 one peg
further in a fixed direction, and the move in between is the only legal one without disk 1. Which
direction reaches the goal depends on the parity of the stack and on the pegs chosen; the paper's
clockwise rule is the case of an even stack going from peg 0 to peg 2.

The oracle (:func:`optimal_move`, :func:`optimal_pegs`) computes any step of the shortest solution
in closed form. It serves verification and measurement, never a solver.
"""

from typing import NamedTuple, TypeAlias

Pegs: TypeAlias = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

MAX_DISKS = 64


class Move(NamedTuple):
    """Move ``disk`` from peg ``source`` to peg ``target`` (pegs count from 0)."""

    disk: int
    source: int
    target: int


def stack(disks: int, peg: int) -> Pegs:
    """All ``disks`` on one ``peg``, the largest at the bottom."""
    tower = tuple(range(disks, 0, -1))
    pegs: list[tuple[int, ...]] = [(), (), ()]
    pegs[peg] = tower
    return pegs[0], pegs[1], pegs[2]


def direction(disks: int, start: int, goal: int) -> int:
    """The turn of disk 1 that solves the puzzle: +1 is 0→1→2→0, -1 the reverse.

    An odd stack sends disk 1 to the goal first, an even one to the spare peg.
    """
    first = goal if disks % 2 else 3 - start - goal
    return 1 if (start + 1) % 3 == first else -1


def apply(pegs: Pegs, move: Move) -> Pegs:
    """Take the top disk of ``move.source`` to ``move.target``; legality is the caller's matter."""
    new = list(pegs)
    new[move.source] = new[move.source][:-1]
    new[move.target] = (*new[move.target], move.disk)
    return new[0], new[1], new[2]


def is_legal(pegs: Pegs, move: Move) -> bool:
    """Whether ``move`` takes a top disk onto an empty peg or a larger disk."""
    if move.source == move.target or not {move.source, move.target} <= {0, 1, 2}:
        return False
    source, target = pegs[move.source], pegs[move.target]
    return bool(source) and source[-1] == move.disk and (not target or target[-1] > move.disk)


def _peg_of_smallest(pegs: Pegs) -> int | None:
    return next((at for at, peg in enumerate(pegs) if peg and peg[-1] == 1), None)


def other_move(pegs: Pegs) -> Move | None:
    """The only legal move without disk 1, or None when all disks share one peg."""
    tops = sorted((peg[-1], at) for at, peg in enumerate(pegs) if peg and peg[-1] != 1)
    if not tops:
        return None
    disk, source = tops[0]
    small = _peg_of_smallest(pegs)
    return None if small is None else Move(disk, source, 3 - source - small)


def strategy_move(pegs: Pegs, previous: Move | None, turn: int) -> Move | None:
    """The move that the strategy asks for, or None where it has none (solved or broken pegs)."""
    if previous is not None and previous.disk == 1:
        return other_move(pegs)
    source = _peg_of_smallest(pegs)
    return None if source is None else Move(1, source, (source + turn) % 3)


def optimal_move(step: int, disks: int, start: int = 0, goal: int = 2) -> Move:
    """Move number ``step`` (from 1) of the shortest solution, in closed form.

    The disk moved is one more than the trailing zeros of ``step``; disks of odd rank and of even
    rank turn in opposite directions, and each has made ``step >> disk`` moves before.
    """
    disk = (step & -step).bit_length()
    turn = direction(disks, start, goal) * (1 if disk % 2 else -1)
    source = (start + turn * (step >> disk)) % 3
    return Move(disk, source, (source + turn) % 3)


def optimal_pegs(step: int, disks: int, start: int = 0, goal: int = 2) -> Pegs:
    """The state after ``step`` moves of the shortest solution, in closed form."""
    pegs: list[list[int]] = [[], [], []]
    base = direction(disks, start, goal)
    for disk in range(disks, 0, -1):
        turn = base * (1 if disk % 2 else -1)
        moved = (step + (1 << (disk - 1))) >> disk
        pegs[(start + turn * moved) % 3].append(disk)
    return tuple(pegs[0]), tuple(pegs[1]), tuple(pegs[2])
