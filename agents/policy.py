"""How votes are drawn and counted: the settings of a microagent, in one immutable value."""

import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from agents.voting import Rule


class Evidence(NamedTuple):
    """What votes are worth: the log-odds of each model's, and the sum that decides (nats)."""

    weights: tuple[float, ...]
    threshold: float


OnNoConvergence: TypeAlias = Literal["stop", "vary", "plurality", "escalate"]


@dataclass(frozen=True)
class VotePolicy:
    """Settings of the vote on each step.

    Attributes:
        k: margin or count that wins.
        rule: ``ahead-by-k`` or ``first-to-k``.
        first_temperature: of a step's first vote (the paper's best guess, T = 0).
        temperature: of every later vote, and of the retry of a flagged first vote.
        max_tokens: completion cap; an answer that meets it is red-flagged.
        max_votes: samples, flagged ones included, that a step may use before it counts as not
            converging.
        on_no_convergence: stop resumably, vote afresh in the task's other ways of asking, take the
            plurality, or escalate to another model.
        red_flags: patterns; an answer in which one is found is red-flagged.
        variants: ways of asking that the votes of a step take by turns.
        ladder: temperatures that the votes after the first take by turns, in place of one.
        check_transitions: red-flag answers that the task's rules forbid.
        evidence: weighs the votes of models by what each is known to be worth.
        schedule: which model takes which draw, over and over; empty lets them take turns.
    """

    k: int = 3
    rule: Rule = "ahead-by-k"
    first_temperature: float = 0.0
    temperature: float = 0.1
    max_tokens: int = 750
    max_votes: int = 100
    on_no_convergence: OnNoConvergence = "stop"
    red_flags: tuple[re.Pattern[str], ...] = field(default=())
    variants: int = 1
    ladder: tuple[float, ...] = ()
    check_transitions: bool = False
    evidence: Evidence | None = None
    schedule: tuple[int, ...] = ()

    def temperatures(self, first: int, count: int) -> tuple[float, ...]:
        """Temperatures of the ``count`` draws of a step that follow its first ``first``."""
        if self.ladder:
            rungs = len(self.ladder)
            return tuple(
                self.ladder[(draw - 1) % rungs] if draw else self.first_temperature
                for draw in range(first, first + count)
            )
        later = (self.temperature,) * (count - 1)
        return (self.temperature if first else self.first_temperature, *later)
