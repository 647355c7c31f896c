"""What *simulated* models say to the strategies' prompts, for tests and benchmarks alone.

The roles have a known skill. The solver multiplies numbers of up to three digits each, adds, and
shifts; a longer product it gets wrong. The decomposer splits a long product in two, and the judge
tells a sound split from one that is not. All is read from the prompt itself. Rates of error come
from the simulated engine, which asks for a wrong answer now and then.
"""

import re
from functools import cached_property
from zlib import crc32

from reason.prompt import Prompt

SKILL = 3  # digits of each factor that the solver can multiply

_PRODUCT = re.compile(r"\b(\d+) \* (\d+)")
_COMBINE = re.compile(r"A1 \* (\d+) \+ A2")


class ProductRehearsal:
    """The answers to one prompt about a product."""

    def __init__(self, prompt: Prompt) -> None:
        self._text = prompt if isinstance(prompt, str) else prompt[-1]["content"]

    @cached_property
    def right(self) -> str:
        """What the simulated role says when it does its best."""
        return self._say()[0]

    @cached_property
    def wrong(self) -> tuple[str, ...]:
        """What it says when it slips."""
        return self._say()[1]

    def _say(self) -> tuple[str, tuple[str, ...]]:
        text = self._text
        if not _PRODUCT.search(text):
            return "I cannot say.", ("Answer: 0",)
        if text.startswith("Decide whether"):
            return _decompose(*_factors(text))
        if text.startswith("Several ways"):
            return _judge(text)
        if text.startswith("A problem was split"):
            return _answers(_combined(text))
        if text.startswith("Below are a problem"):
            return "1. What is asked for?", ("I would rather not.",)
        return _solve(text)


def _factors(text: str) -> tuple[int, int]:
    found = _PRODUCT.search(text)
    if found is None:
        raise ValueError(f"not a prompt about a product: {text[:80]!r}")
    return int(found[1]), int(found[2])


def _answers(value: int) -> tuple[str, tuple[str, ...]]:
    slips = (value + 1, value + 10, abs(value - 1), value * 10)
    wrong = dict.fromkeys(slip for slip in slips if slip != value)
    return f"Answer: {value}", tuple(f"Answer: {slip}" for slip in wrong)


def _solve(text: str) -> tuple[str, tuple[str, ...]]:
    a, b = _factors(text)
    right, wrong = _answers(a * b)
    if max(len(str(a)), len(str(b))) <= SKILL:
        return right, wrong
    return wrong[crc32(text.encode()) % len(wrong)], wrong  # beyond its skill


def _split(a: int, b: int) -> tuple[int, int, int, int]:
    """(a, high, low, shift) with a * b = a * high * shift + a * low, the longer factor split."""
    if len(str(a)) > len(str(b)):
        a, b = b, a
    shift = 10 ** (len(str(b)) // 2)
    return a, *divmod(b, shift), shift


def _decompose(a: int, b: int) -> tuple[str, tuple[str, ...]]:
    one, high, low, shift = _split(a, b)
    lines = "FIRST: What is {} * {}?\nSECOND: What is {} * {}?\nCOMBINE: A1 * {} + A2"
    sound = lines.format(one, high, one, low, shift)
    slips = (
        lines.format(one, high, one, low, shift * 10),
        lines.format(one, high, one, low + 1, shift),
        "I would split it somewhere in the middle.",
    )
    return ("ATOMIC" if max(len(str(a)), len(str(b))) <= SKILL else sound), slips


def _judge(text: str) -> tuple[str, tuple[str, ...]]:
    question, _, listed = text.partition("Proposals:")
    a, b = _factors(question)
    proposals = re.split(r"(?m)^\d+\.$", listed)[1:]
    sound = [at for at, proposal in enumerate(proposals, 1) if _is_sound(proposal, a, b)]
    numbers = [str(at) for at in range(1, len(proposals) + 1)]
    best = str(sound[0]) if sound else numbers[0]
    return best, (*(number for number in numbers if number != best), "None of them.")


def _is_sound(proposal: str, a: int, b: int) -> bool:
    if proposal.strip() == "ATOMIC":
        return max(len(str(a)), len(str(b))) <= SKILL
    parts, combine = _PRODUCT.findall(proposal), _COMBINE.search(proposal)
    if len(parts) != 2 or combine is None:
        return False
    first, second = (int(x) * int(y) for x, y in parts)
    return first * int(combine[1]) + second == a * b


def _combined(text: str) -> int:
    first, second = (int(value) for value in re.findall(r"^A[12] = (\d+)$", text, re.M))
    combine = _COMBINE.search(text)
    return first * int(combine[1] if combine else 1) + second


def rehearse(prompt: Prompt) -> ProductRehearsal:
    """The rehearsal of a strategy's prompt about a product."""
    return ProductRehearsal(prompt)
