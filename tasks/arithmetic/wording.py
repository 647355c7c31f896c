"""How a step of a chain is asked, and how an answer is read.

The parser is strict: an answer may reason as it likes, but its last line has exactly the demanded
form.
"""

import re

from reason.prompt import Prompt
from tasks.arithmetic.chain import LIMIT, Operation
from tasks.base import Answers, RedFlag

SYSTEM = """\
You carry out one step of a long calculation: one operation on the current value.

Keep any reasoning short, then end with a line that gives the new value as a plain whole number, \
without separators, and with a minus sign if it is negative. For the current value 120 and the \
operation "add 5" that line is exactly:
value = 125"""

REWORDED = """\
A calculator works through a list of operations. You do the next one for it.

Think briefly if you must. The last line of your answer is the outcome, an integer in plain digits \
such as 1204 or -7. For "Work out: 30 - 37" the last line is exactly:
value = -7"""

WORDINGS = (SYSTEM, REWORDED)

WORDS = {"+": "add {}", "-": "subtract {}", "*": "multiply by {}"}

_ANSWER = re.compile(r"(?:.*\n)?value = (0|-?[1-9][0-9]{0,17})\n?", re.DOTALL)
_PLAIN = re.compile(r"Current value: (-?[0-9]+)\nOperation: (add|subtract|multiply by) ([0-9]+)")
_FORMULA = re.compile(r"Work out: \(?(-?[0-9]+)\)? ([+*-]) ([0-9]+)")


def write_prompt(value: int, operation: Operation, wording: int = 0) -> Prompt:
    """The chat that asks for one step: in words, or as a formula."""
    sign, number = operation
    if wording == 0:
        user = f"Current value: {value}\nOperation: {WORDS[sign].format(number)}"
    else:
        user = f"Work out: {value if value >= 0 else f'({value})'} {sign} {number}"
    return [{"role": "system", "content": WORDINGS[wording]}, {"role": "user", "content": user}]


def write_answer(value: int) -> str:
    """An answer in the demanded form."""
    return f"value = {value}"


def read_answer(text: str) -> int:
    """The value of an answer; RedFlag unless its last line has the exact form."""
    match = _ANSWER.fullmatch(text)
    if match is None:
        raise RedFlag("malformed")
    return int(match[1])


def read_prompt(prompt: Prompt) -> tuple[int, Operation]:
    """What a prompt asks; ValueError for any other text."""
    text = "" if isinstance(prompt, str) else prompt[-1]["content"]
    if match := _FORMULA.fullmatch(text):
        return int(match[1]), Operation(match[2], int(match[3]))
    if match := _PLAIN.fullmatch(text):
        signs = {words.split(" {")[0]: sign for sign, words in WORDS.items()}
        return int(match[1]), Operation(signs[match[2]], int(match[3]))
    raise ValueError("not a prompt of a chain of arithmetic")


def rehearse(prompt: Prompt) -> Answers:
    """What a simulated model may say: the right value, and slips near it."""
    value, operation = read_prompt(prompt)
    right = operation.apply(value)
    if abs(right) >= LIMIT:  # a run that went wrong may outgrow what an answer can hold
        right = value
    slips = (right + 1, right - 10, -right, value + operation.number, value - operation.number)
    wrong = dict.fromkeys(slip for slip in slips if slip != right and abs(slip) < LIMIT)
    return Answers(write_answer(right), tuple(map(write_answer, wrong)))
