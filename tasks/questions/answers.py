"""Reading the final answer out of a model's free text, and telling when two answers are the same.

An answer is taken from where models are asked to put it (a line ``Answer: ...``, ``####``, a box)
or from a sentence that announces it; a number alone may also be the last one of the text. What
names no answer, or two different ones, is red-flagged, never guessed at.

Numbers and letters are compared by rules of our own, expressions by math-verify in a process of its
own (:mod:`tasks.questions.expressions`).
"""

import re
from functools import lru_cache

from tasks.base import RedFlag
from tasks.questions.base import Kind
from tasks.questions.expressions import Comparer
from tasks.questions.letters import meant_letter
from tasks.questions.numbers import (
    NUMBER,
    canonical_number,
    last_number,
    meant_number,
    plain_signs,
    value,
)

LONGEST = 400  # characters of a final answer; what is longer answers nothing

_COMPARER = Comparer()

_MARKED = re.compile(
    r"^[\s>*#-]*\**(?:final answer|answer)\**\s*[:=]\**[ \t]*(.+?)\s*$", re.I | re.M
)
_HASHES = re.compile(r"####[ \t]*([^\n]+?)\s*\Z")  # on the last line: elsewhere it is a heading,
_HASHES_ALONE = re.compile(r"####[ \t]*(\S*\d\S*)\s*$", re.M)  # unless it is a bare value
_SAID = re.compile(r"\banswer\s+is\s*:?\s+(.+?)(?:\.(?:\s|$)|\n|$)", re.I)
_THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?:\s\d{3})+(?!\d)")
_SHORT_FRACTION = re.compile(r"(\\[dt]?frac\s*\d)\s+(?=\d)")
_SPLIT = re.compile(r"\d\s+\d")


def extract(text: str, kind: Kind) -> str:
    """The final answer of a text, in canonical form. Raises RedFlag where there is none."""
    named = _announced(text)
    if named is None:
        if kind != "number":
            raise RedFlag("no answer")
        named = last_number(text)
    if len(named) > LONGEST:
        raise RedFlag("length")
    return canonical(_core(named, kind), kind)


def written(text: str, kind: Kind) -> str | None:
    """The final answer as the text itself has it, before it is made canonical."""
    named = _announced(text)
    return None if named is None else _core(named, kind)


def _announced(text: str) -> str | None:
    """What the text itself calls its answer, the strongest mark first and the last one of each."""
    for found in (
        _MARKED.findall(text),
        _HASHES.findall(text),
        _boxes(text),
        _SAID.findall(text),
        _HASHES_ALONE.findall(text),
    ):
        if found:
            return str(found[-1]).strip()
    return None


def _boxes(text: str) -> list[str]:
    r"""Contents of all ``\boxed{...}``, braces balanced."""
    found = []
    for match in re.finditer(r"\\boxed\s*\{", text):
        depth, at = 1, match.end()
        while at < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        if not depth:
            found.append(text[match.end() : at - 1])
    return found


def _core(named: str, kind: Kind) -> str:
    """The answer within the words around it."""
    boxes = _boxes(named)
    named = boxes[-1] if boxes else named.strip().strip("*").strip()
    if kind == "letter":
        return meant_letter(named)
    if kind == "number":
        return meant_number(named)
    named = (named if kind == "exact" else named.rstrip(".")).strip() or _missing()
    if kind == "math" and _SPLIT.search(_joined(named)):
        raise RedFlag("ambiguous")  # 3 4 is no 34
    return named


def _missing() -> str:
    raise RedFlag("no answer")


def canonical(answer: str, kind: Kind) -> str:
    """The one way to write an answer: ``1,000.0`` and ``$1000`` are ``1000``, ``75%`` is ``75%``.

    A percentage stays one, since whether 75% may stand for 0.75 is for the question to say.
    """
    text = answer.strip()
    if kind == "number":
        return canonical_number(text)
    if kind == "letter":
        return text.upper()
    if kind == "exact":
        return text
    if kind == "text":
        return " ".join(text.casefold().split()).strip(" .\"'")
    return re.sub(r"(?<!\d) | (?!\d)", "", " ".join(_joined(text).split())).strip("$")


def _joined(math: str) -> str:
    """An expression in which a blank between two digits parts two numbers: ``1 1/2``, ``1 000``."""
    math = _SHORT_FRACTION.sub(r"\1", plain_signs(math))
    return _THOUSANDS.sub(lambda found: re.sub(r"\s", "", found[0]), math)


def equivalent(one: str, other: str, kind: Kind) -> bool:
    """Whether two answers are the same; symmetric."""
    one, other = canonical(one, kind), canonical(other, kind)
    if one == other:
        return True
    if kind == "number":
        return value(one) is not None and value(one) == value(other)
    if kind == "math":
        return _verified(one, other) or _verified(other, one)
    return False


def alike(one: str, other: str) -> bool:
    """Whether two short answers in words are the same: ``12`` and ``12 apples`` are."""
    if equivalent(one, other, "text"):
        return True
    if not (_bare(one) or _bare(other)):
        return False
    numbers = [NUMBER.findall(text) for text in (one, other)]
    if any(len(found) != 1 for found in numbers):
        return False
    return equivalent(numbers[0][0], numbers[1][0], "number")


def _bare(answer: str) -> bool:
    """Whether an answer is a number without a word to it."""
    return NUMBER.fullmatch(answer.strip()) is not None


def is_right(answer: str, gold: str, kind: Kind) -> bool:
    """Whether an answer is the right one."""
    return equivalent(gold, answer, kind)


@lru_cache(maxsize=4096)
def _verified(gold: str, answer: str) -> bool:
    return max(len(gold), len(answer)) <= LONGEST and _COMPARER.same(gold, answer)
