"""How a step of sorting is asked, and how an answer is read.

The parser is strict: an answer may reason as it likes, but its last two lines have exactly the
demanded form.
"""

import re

from reason.prompt import Prompt
from tasks.base import Answers, RedFlag
from tasks.sorting.pairs import Pair, Step, order

ASCENDING = """\
You carry out one step of sorting a list of numbers from the smallest to the largest.

You are shown two neighbours of the list, the left one first. If the left number is larger than \
the right one, the two are swapped; otherwise they are kept as they are.

Keep any reasoning short, then end with two lines: the action, keep or swap, and the pair as it \
stands after it. For the pair [8, 5] they are exactly:
action = swap
pair = [5, 8]"""

DESCENDING = """\
A list is being put in order, the largest number first. You decide about one pair of it.

Two numbers that stand side by side are given. If the first is smaller than the second, they have \
to change places (swap); in any other case they stay (keep).

Think briefly if you must. Write the decision and the resulting pair on the last two lines. For \
the pair [5, 8] these are exactly:
action = swap
pair = [8, 5]"""

WORDINGS = (ASCENDING, DESCENDING)
"""The second sees the list in a mirror."""

_NUMBER = r"(0|-?[1-9][0-9]*)"
_ANSWER = re.compile(
    rf"(?:.*\n)?action = (keep|swap)\npair = \[{_NUMBER}, {_NUMBER}\]\n?", re.DOTALL
)
_ASKED = re.compile(rf"The pair: \[{_NUMBER}, {_NUMBER}\]")


def write_prompt(pair: Pair, wording: int = 0) -> Prompt:
    """The chat that asks for one step, in one of :data:`WORDINGS`."""
    user = f"The pair: {list(pair if wording == 0 else pair[::-1])}"
    return [{"role": "system", "content": WORDINGS[wording]}, {"role": "user", "content": user}]


def write_answer(step: Step) -> str:
    """An answer in the demanded form."""
    return f"action = {step.action}\npair = {list(step.pair)}"


def read_answer(text: str) -> Step:
    """Action and pair of an answer; RedFlag unless its last two lines have the exact form."""
    match = _ANSWER.fullmatch(text)
    if match is None:
        raise RedFlag("malformed")
    try:
        pair = int(match[2]), int(match[3])
    except ValueError:  # more digits than Python reads
        raise RedFlag("malformed") from None
    return Step("swap" if match[1] == "swap" else "keep", pair)


def read_prompt(prompt: Prompt) -> tuple[Pair, bool]:
    """The pair as it is shown, and whether in a mirror; ValueError for any other text."""
    match = None if isinstance(prompt, str) else _ASKED.search(prompt[-1]["content"])
    if match is None or isinstance(prompt, str):
        raise ValueError("not a prompt of a sort")
    return (int(match[1]), int(match[2])), prompt[0]["content"] == DESCENDING


def mirror(step: Step) -> Step:
    """The step as the other wording means it."""
    return Step(step.action, step.pair[::-1])


def rehearse(prompt: Prompt) -> Answers:
    """What a simulated model may say: the right step, and three slips."""
    pair, mirrored = read_prompt(prompt)
    right = mirror(order((pair[1], pair[0]))) if mirrored else order(pair)
    back = (right.pair[1], right.pair[0])
    slips = (
        Step("keep", back),
        Step("swap", back),
        Step("keep", right.pair),
        Step("swap", right.pair),
    )
    wrong = dict.fromkeys(slip for slip in slips if slip != right)
    return Answers(write_answer(right), tuple(map(write_answer, wrong)))
