"""Which option an answer in words names: ``(C)``, ``Option D``, ``c) 600``."""

import re

from tasks.base import RedFlag

_FIRST = re.compile(r"^[\s(\[{$*]*([A-Za-z])(?=[\s)\]}.:,$*]|$)")
_SENTENCE = re.compile(r"\s+(?!(?:is|because|since|as|for)\b)[a-z]")
_ANY = re.compile(r"(?<![\w'])([A-HJ-Z])(?![\w']|\s+[a-z])")
_JOINED = re.compile(r"[\s)\]}.:*$]*(?:\b(?:or|and|nor)\b|[&/,+;])[\s(\[*$]*([A-Za-z])(?![\w'])")
_OPTION = re.compile(r"(?<![\w'])([A-HJ-Z])(?:[)\]]|\s+(?:is|are)\b)")


def meant_letter(named: str) -> str:
    """The option that an answer names. Raises RedFlag for none, and where it may be another.

    ``I think C`` and ``A car`` begin with words, not with options. The text of an option may hold
    letters of its own (``B) vitamin C``), so there only what is an option by its form counts.
    """
    named = named.removeprefix("option ").removeprefix("Option ")
    match = _FIRST.match(named)
    if match is None:
        raise RedFlag("no answer")
    letter, rest = match[1], named[match.end() :]
    if letter in "AIai" and _SENTENCE.match(rest):
        raise RedFlag("ambiguous")
    marked = rest[:1] not in ("", " ", "\t")
    others = _JOINED.findall(rest)[:1] if _JOINED.match(rest) else []
    others += _OPTION.findall(rest) if marked else _ANY.findall(rest) + _OPTION.findall(rest)
    if any(other.upper() != letter.upper() for other in others):
        raise RedFlag("ambiguous")
    return letter
