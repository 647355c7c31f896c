"""What a micro model can be trained on: symbols, examples, examinations, and words for its card."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import NamedTuple

from tasks.chains import examples as chains
from tasks.hanoi import micro as hanoi
from training.micro.trainer import Draw

Examinations = Callable[[int, int], Mapping[str, Sequence[tuple[str, str]]]]
"""Questions with right answers by name, for a seed and a count."""


class Subject(NamedTuple):
    """One thing that a micro model may know.

    Attributes:
        model: name of the model.
        symbols: texts that are one token each.
        draw: draws one training example.
        examinations: questions to examine the trained model on.
        about: what the model does.
        data: what it was trained on.
    """

    model: str
    symbols: list[str]
    draw: Draw
    examinations: Examinations
    about: str
    data: str


def _draw_hanoi(rng: Random) -> tuple[str, ...]:
    return hanoi.draw(rng)


SUBJECTS = {
    "hanoi": Subject(
        hanoi.NAME,
        hanoi.SYMBOLS,
        _draw_hanoi,
        hanoi.examinations,
        "It does one thing: given the pegs of a\nTowers of Hanoi puzzle, the previous move and the "
        "direction in which disk 1 turns, it writes the\nnext move and the next pegs.",
        "random legal states of 1 to 20 disks with a random matching previous move, drawn afresh\n"
        "  for every step ({examples:,} examples in all). States are not taken from solutions. One "
        'prompt in\n  64, by hash, is never trained on; the "unseen" rows below come from those.',
    ),
    "chains": Subject(
        chains.NAME,
        chains.SYMBOLS,
        chains.draw,
        chains.examinations,
        "It is the black-box *solver*\nof the nano-scale DaSLaM: it answers chain-arithmetic "
        "problems in words, and subquestions about them.\n"
        "It is good at one operation and poor at chains.",
        "random problems of 1 to 6 operations with subquestions of 1 to 3 operations and their\n"
        "  answers, drawn afresh for every step ({examples:,} examples in all). One problem in 32, "
        "by hash,\n  is never trained on; the rows below come from those.",
    ),
}
