"""What a journal holds: the row types, and the hash that chains one step to the next.

Plain tuples in the order of the table's columns, because a row is made for every step.
"""

import hashlib
from typing import NamedTuple


class StepRow(NamedTuple):
    """A step to commit.

    Attributes:
        step: its number, from 1.
        action: what was done, in the task's text form.
        state: the state after it, in the task's text form.
        votes: valid votes counted.
        flagged: answers discarded by a red flag.
        rounds: how often samples were asked for.
        tally: votes per candidate, such as ``3`` or ``4:1``.
        prompt_tokens: tokens read for the step.
        completion_tokens: tokens written for the step.
        surplus: valid answers drawn but not needed.
    """

    step: int
    action: str
    state: str
    votes: int
    flagged: int
    rounds: int
    tally: str
    prompt_tokens: int
    completion_tokens: int
    surplus: int


class UsageDelta(NamedTuple):
    """What a model used; ``cost_usd`` is None when its price is unknown."""

    model: str
    prompt_tokens: int
    completion_tokens: int
    samples: int
    cost_usd: float | None


class SampleRow(NamedTuple):
    """A raw answer kept for a person to read; ``flag`` is empty for a valid vote."""

    step: int
    draw: int
    text: str
    finish: str
    flag: str
    model: str


class Head(NamedTuple):
    """The last committed step; step 0 with the genesis hash before the first."""

    step: int
    action: str
    state: str
    hash: bytes


class Totals(NamedTuple):
    """Sums over all sessions of a run, spending without a step included; they never fall.

    ``steps`` is how many steps were ever committed; ``collisions`` counts wrong answers that agreed
    with one another, as the voter reports them.
    """

    steps: int
    votes: int
    flagged: int
    surplus: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    collisions: int


class Sums(NamedTuple):
    """What a stretch of steps comes to; ``most`` is the answers that its hardest step took."""

    steps: int
    votes: int
    flagged: int
    most: int


class Votes(NamedTuple):
    """How many steps took ``votes`` valid votes and were decided in one way.

    ``how`` is the tally's mark: empty for a vote that was decided, else the first letter of
    ``varied``, ``plurality`` or ``escalated``.
    """

    votes: int
    how: str
    steps: int


def chain(previous: bytes, step: int, action: str, state: str) -> bytes:
    """The hash of a step: SHA-256 over previous hash, number, action and state.

    The number has a fixed width and the action's length goes before it, so no two different steps
    are hashed from the same bytes.
    """
    text = action.encode()
    head = previous + step.to_bytes(8, "big") + len(text).to_bytes(4, "big")
    return hashlib.sha256(head + text + state.encode()).digest()
