"""How a step of long multiplication is asked, and how an answer is read.

The parser is strict: an answer may reason as it likes, but its last two lines have exactly the
demanded form.
"""

import re

from reason.prompt import Prompt
from tasks.base import Answers, RedFlag
from tasks.multiplication.digits import Step, Sum, work_out

SYSTEM = """\
You carry out one step of a long multiplication done by hand.

Work out one small number, from 0 to 89, and split it: its last digit is the digit to write down, \
and the tens are the carry, which is 0 for a number below 10.

Keep any reasoning short, then end with two lines, the digit and the carry, with one digit each. \
For 7 * 8 + 3, which is 59, they are exactly:
digit = 9
carry = 5"""

REWORDED = """\
Someone multiplies two long numbers on paper and asks you for a single step of it.

You are given a small sum. Its value is below 90: write it with two digits, with a leading 0 if \
need be. The right one of them is called the digit, the left one the carry.

You may think briefly. The last two lines of your answer are the digit and the carry. For \
2 + 1 + 0, which is 03, they have to be:
digit = 3
carry = 0"""

WORDINGS = (SYSTEM, REWORDED)

ASKS = {
    "product": "Multiply the two digits and add the carry: {x} * {y} + {carry}",
    "sum": "Add the two digits and the carry: {x} + {y} + {carry}",
}

_ANSWER = re.compile(r"(?:.*\n)?digit = ([0-9])\ncarry = ([0-8])\n?", re.DOTALL)
_ASKED = re.compile(r"([0-9]) ([*+]) ([0-9]) \+ ([0-9])")


def write_prompt(asked: Sum, wording: int = 0) -> Prompt:
    """The chat that asks for one step; the second wording also takes the digits the other way."""
    x, y = (asked.x, asked.y) if wording == 0 else (asked.y, asked.x)
    user = ASKS[asked.kind].format(x=x, y=y, carry=asked.carry)
    return [{"role": "system", "content": WORDINGS[wording]}, {"role": "user", "content": user}]


def write_answer(step: Step) -> str:
    """An answer in the demanded form."""
    return f"digit = {step.digit}\ncarry = {step.carry}"


def read_answer(text: str) -> Step:
    """Digit and carry of an answer; RedFlag unless its last two lines have the exact form."""
    match = _ANSWER.fullmatch(text)
    if match is None:
        raise RedFlag("malformed")
    return Step(int(match[1]), int(match[2]))


def read_prompt(prompt: Prompt) -> Sum:
    """What a prompt asks; ValueError for any other text."""
    match = None if isinstance(prompt, str) else _ASKED.search(prompt[-1]["content"])
    if match is None:
        raise ValueError("not a prompt of a long multiplication")
    x, sign, y, carry = match.groups()
    return Sum("product" if sign == "*" else "sum", int(x), int(y), int(carry))


def rehearse(prompt: Prompt) -> Answers:
    """What a simulated model may say: the right step, and slips that pupils make."""
    asked = read_prompt(prompt)
    right = work_out(asked)
    forgotten = work_out(asked._replace(carry=0))
    confused = work_out(asked._replace(kind="sum" if asked.kind == "product" else "product"))
    slips = (
        *(forgotten, confused),
        Step((right.digit + 1) % 10, right.carry),
        Step(right.digit, 0 if right.carry else 1),
    )
    wrong = dict.fromkeys(slip for slip in slips if slip != right)
    return Answers(write_answer(right), tuple(map(write_answer, wrong)))
