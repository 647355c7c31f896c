"""What a simulated model may answer: the right step, and slips that real models make.

Everything is read from the prompt itself. The slips: turning disk 1 the wrong way, forgetting or
mistaking whose turn it is, and naming the right move but writing a wrong next state. Only tests
and benchmarks use this, through the simulated engine.
"""

from functools import cached_property

from reason.prompt import Prompt
from tasks.hanoi import compact, paper
from tasks.hanoi.rules import Move, Pegs, apply, is_legal, other_move, strategy_move


class HanoiRehearsal:
    """The answers to one prompt; the wrong ones are made only when one is wanted."""

    def __init__(self, prompt: Prompt) -> None:
        if isinstance(prompt, str):
            self._write = compact.write_answer
            situation = compact.read_prompt(prompt)
        else:
            self._write = paper.write_answer
            situation = paper.read_prompt(prompt)
        self._pegs, self._previous, self._turn = situation
        # A run that went wrong may reach a state from which the strategy has no move.
        move = strategy_move(*situation) or Move(1, 0, 0)
        self._step = move, _applied(self._pegs, move)

    @cached_property
    def right(self) -> str:
        """The answer that follows the strategy."""
        return self._write(*self._step)

    @cached_property
    def wrong(self) -> tuple[str, ...]:
        """At least two different plausible slips, none of them right."""
        move, after = self._step
        slips = [(other, _applied(self._pegs, other)) for other in self._other_moves()]
        slips.append((move, self._pegs))
        if is_legal(self._pegs, move):
            astray = Move(move.disk, move.source, 3 - move.source - move.target)
            slips.append((move, apply(self._pegs, astray)))
        # On pegs that break the rules nothing above may be left: a lost run still gets answers.
        slips.append((Move(move.disk, move.target, (move.target + 1) % 3), self._pegs))
        return tuple(self._write(*slip) for slip in dict.fromkeys(slips) if slip != (move, after))

    def _other_moves(self) -> list[Move]:
        turned = strategy_move(self._pegs, None, self._turn)
        back = strategy_move(self._pegs, None, -self._turn)
        return [move for move in (turned, back, other_move(self._pegs)) if move is not None]


def _applied(pegs: Pegs, move: Move) -> Pegs:
    return apply(pegs, move) if pegs[move.source][-1:] == (move.disk,) else pegs


def rehearse(prompt: Prompt) -> HanoiRehearsal:
    """The rehearsal of a Hanoi prompt of either style; ValueError for any other text."""
    return HanoiRehearsal(prompt)
