"""Renaming the pegs: six views of one puzzle, each with its way back.

An order names the new peg of each old one. Odd orders are mirrors: disk 1 turns the other way.
"""

from typing import TypeAlias

from tasks.hanoi.rules import Move, Pegs

Order: TypeAlias = tuple[int, int, int]

ORDERS: tuple[Order, ...] = ((0, 1, 2), (1, 0, 2), (1, 2, 0), (2, 1, 0), (2, 0, 1), (0, 2, 1))
"""All six, the identity first, then mirrors and turns by turns."""


def inverse(order: Order) -> Order:
    """The order that undoes ``order``."""
    return order.index(0), order.index(1), order.index(2)


def parity(order: Order) -> int:
    """1 for a turn of the pegs, -1 for a mirror."""
    return 1 if order in ((0, 1, 2), (1, 2, 0), (2, 0, 1)) else -1


def relabel_pegs(pegs: Pegs, order: Order) -> Pegs:
    """The pegs under their new names."""
    back = inverse(order)
    return pegs[back[0]], pegs[back[1]], pegs[back[2]]


def relabel_move(move: Move, order: Order) -> Move:
    """The move under the new names; a peg that does not exist keeps its number."""
    names = dict(enumerate(order))
    source, target = (names.get(at, at) for at in move[1:])
    return Move(move.disk, source, target)
