"""Numbers in answers: finding the one that is meant, its canonical form, and what it is worth."""

import re
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from tasks.base import RedFlag

MOST_ZEROS = 300  # of an exponent: 1e999999999 would be written out for ever

NUMBER = re.compile(
    r"-?\$?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][+-]?\d{1,4}(?!\w))?(?:\s*/\s*\d+)?%?"
    r"|-?\$?\.\d+(?:[eE][+-]?\d{1,4}(?!\w))?%?"
)
_MINUS = re.compile(r"\u2212|(?<!\w)\u2013(?=[\d.$])")  # an en dash between numbers is a range
_SIGN = re.compile(r"(\A|[=:(\[{,$]|\b(?:is|or|and)\b)(\s*)-\s+(?=[\d.$])")
_MIXED = re.compile(r"(?<![\d.,/^_])(\d{1,9})\s+(\d{1,9})\s*/\s*(\d{1,9})(?![\d.,])")
_EXPONENT = re.compile(r"[eE]([+-]?\d+)\Z")
_OPERATOR = re.compile(r"[-+*/^×·÷!√]|\\(?:times|cdot|div|sqrt)|\b(?:of|times|plus|minus|over)\b")
_JOINS = re.compile(r"\s+|\}\s*\{|[\s(){}$]*(?:[-+*/^×·÷]|\\(?:times|cdot|div))[\s(){}$]*")
_OR = re.compile(r"\bor\b", re.I)


def plain_signs(text: str) -> str:
    """A text whose numbers have the minus of the keyboard; ``1 1/2`` in it is ``3/2``."""
    return _MIXED.sub(_one_fraction, _MINUS.sub("-", text))


def _one_fraction(mixed: "re.Match[str]") -> str:
    whole, above, below = map(int, mixed.groups())
    return f"{whole * below + above}/{below}" if above < below else mixed[0]


def last_number(text: str) -> str:
    """The last number of a text. Raises RedFlag where there is none."""
    numbers = NUMBER.findall(plain_signs(text))
    if not numbers:
        raise RedFlag("no answer")
    return str(numbers[-1])


def meant_number(named: str) -> str:
    """The number that an answer names. Raises RedFlag for none, and where it may be another.

    Of ``3 + 4 = 7`` and ``x = 5`` it is what stands after the last ``=``; a number alone on another
    side (``3 hours = 180 minutes``, ``x = 3 or x = -2``) must be the same.
    """
    named = _SIGN.sub(r"\1\2-", plain_signs(named))
    *before, last = named.split("=")
    found = list(NUMBER.finditer(last))
    if not found:
        raise RedFlag("ambiguous" if NUMBER.search(named) else "no answer")
    rivals = NUMBER.findall(named if _OR.search(named) else last)
    rivals += [number for side in before if (number := _alone(side))]
    meant = canonical_number(found[-1][0])
    if any(canonical_number(rival) != meant for rival in rivals) or _is_sum(last, found):
        raise RedFlag("ambiguous")
    return meant


def _alone(side: str) -> str | None:
    """The number that a side of an equation begins with, unless the side is a sum of any kind."""
    side = side.strip().lstrip("($*")
    number = NUMBER.match(side)
    return None if number is None or _OPERATOR.search(side.lstrip("-")) else number[0]


def _is_sum(text: str, found: "list[re.Match[str]]") -> bool:
    """Whether nothing but an operator or a blank stands between two numbers of a text."""
    gaps = (text[one.end() : two.start()] for one, two in pairwise(found))
    return any(_JOINS.fullmatch(gap) for gap in gaps)


def canonical_number(text: str) -> str:
    """``1,000.0`` and ``$1e3`` are ``1000``, ``6/8`` is ``3/4``; what is no number stays."""
    text = plain_signs(text.strip())
    percent = "%" if text.endswith("%") else ""
    bare = re.sub(r"[\s,$%]", "", text)
    worth = value(bare)
    if worth is None:
        return text
    if "/" in bare:
        return f"{worth}{percent}"
    whole, _, decimals = f"{Decimal(bare).copy_abs():f}".partition(".")
    decimals = decimals.rstrip("0")
    sign = "-" if worth < 0 else ""
    return f"{sign}{whole.lstrip('0') or '0'}{'.' if decimals else ''}{decimals}{percent}"


def value(text: str) -> Fraction | None:
    """What a number is worth; None for what is none, and for one with too many zeros."""
    bare = text.removesuffix("%")
    exponent = _EXPONENT.search(bare)
    try:
        if exponent and abs(int(exponent[1])) > MOST_ZEROS:
            return None
        return Fraction(bare) / (100 if text.endswith("%") else 1)
    except (ValueError, ZeroDivisionError):
        return None
