"""JSON forms of what decomposers and judges answer, for servers with structured outputs.

Each such prompt has a second file, ``NAME-json.md``, and here a schema and the way back: an answer
in JSON is turned into the plain lines that the readers know. So an answer is read alike whether a
server forced the form, a model chose it by itself, or the plain lines came; whatever is neither
stays as it is, and the readers red-flag it. Solvers are never held to a form.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

JSON = "-json"
"""What the names of prompts end with that ask for JSON."""

_TEXT = {"type": "string"}
_NUMBER = re.compile(r"^\d+\s*[.):]\s*")
_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*)\n\s*```\s*\Z", re.S)


def _object(**properties: Any) -> dict[str, Any]:
    """The schema of an object with exactly these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _subquestions(fields: Mapping[str, str]) -> dict[str, Any]:
    most = int(fields["most"])
    return _object(subquestions={"type": "array", "items": _TEXT, "minItems": 1, "maxItems": most})


def _decompose(fields: Mapping[str, str]) -> dict[str, Any]:
    return _object(atomic={"type": "boolean"}, first=_TEXT, second=_TEXT, combine=_TEXT)


def _judge(fields: Mapping[str, str]) -> dict[str, Any]:
    count = len(re.findall(r"(?m)^\d+\.$", fields["proposals"]))
    return _object(choice={"type": "integer", "enum": list(range(1, count + 1))})


SCHEMAS: dict[str, Callable[[Mapping[str, str]], dict[str, Any]]] = {
    "subquestions": _subquestions,
    "decompose": _decompose,
    "judge": _judge,
}
"""The schema of a prompt's answers, made of the prompt's fields."""


def plain(name: str, text: str) -> str:
    """An answer in the plain lines that the prompt ``name`` asks for, if it is JSON; or itself."""
    fenced = _FENCE.match(text)
    try:
        data = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(data, dict):
        return text
    lines = _LINES[name](data)
    return text if lines is None else lines


def _subquestion_lines(data: Mapping[str, Any]) -> str | None:
    asked = data.get("subquestions")
    if not isinstance(asked, list):
        return None
    lines = (_NUMBER.sub("", _line(one)) for one in asked)  # models like to number them again
    return "\n".join(f"{at}. {line}" for at, line in enumerate(lines, 1))


def _split_lines(data: Mapping[str, Any]) -> str | None:
    if data.get("atomic") is True:
        return "ATOMIC"
    names = ("first", "second", "combine")
    if not all(name in data for name in names):
        return None
    return "\n".join(f"{name.upper()}: {_line(data[name])}" for name in names)


def _choice_line(data: Mapping[str, Any]) -> str | None:
    choice = data.get("choice")
    return None if choice is None else _line(choice)


def _line(value: object) -> str:
    """A value on one line; empty for what is no text, so that the reader red-flags it."""
    known = isinstance(value, str | int) and not isinstance(value, bool)
    return " ".join(str(value).split()) if known else ""


_LINES: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    "subquestions": _subquestion_lines,
    "decompose": _split_lines,
    "judge": _choice_line,
}
