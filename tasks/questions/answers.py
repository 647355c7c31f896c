"""Reading the final answer out of a model's free text, and telling when two answers are the same.

An answer is taken from where models are asked to put it (a line ``Answer: ...``, ``####``, a box)
or from a sentence that announces it; a number alone may also be the last one of the text. What
names no answer, or two different ones, is red-flagged, never guessed at.

Numbers and letters are compared by rules of our own, expressions by math-verify in a process of its
own (:mod:`tasks.questions.expressions`).
"""

import re
from fractions import Fraction
from functools import lru_cache

from tasks.base import RedFlag
from tasks.questions.base import Kind
from tasks.questions.expressions import Comparer

LONGEST = 400  # characters of a final answer; what is longer answers nothing

_COMPARER = Comparer()

_MARKED = re.compile(
    r"^[\s>*#-]*\**(?:final answer|answer)\**\s*[:=]\**[ \t]*(.+?)\s*$", re.I | re.M
)
_HASHES = re.compile(r"####[ \t]*(.+?)\s*$", re.M)
_SAID = re.compile(r"\banswer\s+is\s*:?\s+(.+?)(?:\.(?:\s|$)|\n|$)", re.I)
_NUMBER = re.compile(r"-?\$?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:\s*/\s*\d+)?%?|-?\$?\.\d+%?")
_LETTER = re.compile(r"^[\s(\[{$*]*([A-Za-z])(?=[\s)\]}.:,$*]|$)")


def extract(text: str, kind: Kind) -> str:
    """The final answer of a text, in canonical form. Raises RedFlag where there is none."""
    named = _announced(text)
    if named is None:
        if kind != "number":
            raise RedFlag("no answer")
        numbers = _NUMBER.findall(text)
        if not numbers:
            raise RedFlag("no answer")
        named = numbers[-1]
    if len(named) > LONGEST:
        raise RedFlag("length")
    return canonical(_core(named, kind), kind)


def written(text: str, kind: Kind) -> str | None:
    """The final answer as the text itself has it, before it is made canonical."""
    named = _announced(text)
    return None if named is None else _core(named, kind)


def _announced(text: str) -> str | None:
    """What the text itself calls its answer, the strongest mark first and the last one of each."""
    for found in (_MARKED.findall(text), _HASHES.findall(text), _boxes(text), _SAID.findall(text)):
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
        match = _LETTER.match(named.removeprefix("option ").removeprefix("Option "))
        if match is None:
            raise RedFlag("no answer")
        return match[1]
    if kind == "number":
        numbers = _NUMBER.findall(named)
        if not numbers:
            raise RedFlag("no answer")
        if len({canonical(number, "number") for number in numbers}) > 1 and "=" not in named:
            raise RedFlag("ambiguous")
        return str(numbers[-1])
    return (named if kind == "exact" else named.rstrip(".")).strip() or _missing()


def _missing() -> str:
    raise RedFlag("no answer")


def canonical(answer: str, kind: Kind) -> str:
    """The one way to write an answer: ``1,000.0`` and ``$1000`` are ``1000``, ``75%`` is ``75%``.

    A percentage stays one, since whether 75% may stand for 0.75 is for the question to say.
    """
    text = answer.strip()
    if kind == "number":
        return _number(text)
    if kind == "letter":
        return text.upper()
    if kind == "exact":
        return text
    if kind == "text":
        return " ".join(text.casefold().split()).strip(" .\"'")
    return re.sub(r"\s+", "", text.strip("$"))


def _number(text: str) -> str:
    percent = "%" if text.endswith("%") else ""
    bare = re.sub(r"[\s,$%]", "", text)
    try:
        value = Fraction(bare)
    except (ValueError, ZeroDivisionError):
        return text
    if "/" in bare:
        return f"{value}{percent}"
    whole, _, decimals = bare.partition(".")
    decimals = decimals.rstrip("0")
    sign = "-" if value < 0 else ""
    return f"{sign}{whole.lstrip('-0') or '0'}{'.' if decimals else ''}{decimals}{percent}"


def equivalent(one: str, other: str, kind: Kind) -> bool:
    """Whether two answers are the same; symmetric."""
    one, other = canonical(one, kind), canonical(other, kind)
    if one == other:
        return True
    if kind == "number":
        return _value(one) is not None and _value(one) == _value(other)
    if kind == "math":
        return _verified(one, other) or _verified(other, one)
    return False


def alike(one: str, other: str) -> bool:
    """Whether two short answers in words are the same: ``12`` and ``12 apples`` are."""
    if equivalent(one, other, "text"):
        return True
    if not (_bare(one) or _bare(other)):
        return False
    numbers = [_NUMBER.findall(text) for text in (one, other)]
    if any(len(found) != 1 for found in numbers):
        return False
    return equivalent(numbers[0][0], numbers[1][0], "number")


def _bare(answer: str) -> bool:
    """Whether an answer is a number without a word to it."""
    return _NUMBER.fullmatch(answer.strip()) is not None


def is_right(answer: str, gold: str, kind: Kind) -> bool:
    """Whether an answer is the right one."""
    return equivalent(gold, answer, kind)


def _value(text: str) -> Fraction | None:
    try:
        return Fraction(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except (ValueError, ZeroDivisionError):
        return None


@lru_cache(maxsize=4096)
def _verified(gold: str, answer: str) -> bool:
    return max(len(gold), len(answer)) <= LONGEST and _COMPARER.same(gold, answer)
