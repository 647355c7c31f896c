"""Prompts as files: versioned, readable, and replaced by files of the same name in a user's folder.

A file starts with ``version: N`` and a blank line; the rest is one user message in which names in
braces are filled in.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from reason.errors import UsageError
from reason.prompt import Message

SHIPPED = Path(__file__).parent / "prompts"

FIELDS = {
    "solve": {"form", "question"},
    "subquestion": {"question", "known", "subquestion"},
    "again": {"form", "question", "known"},
    "subquestions": {"most", "question", "attempt"},
    "decompose": {"question"},
    "compose": {
        *("form", "question", "first", "first_answer", "second", "second_answer", "combine"),
    },
    "judge": {"question", "proposals"},
}
"""The prompts there are, and the names that each may use."""

FORMS = {
    "number": "a number and nothing else",
    "letter": "the letter of the right option and nothing else",
    "math": "the answer in LaTeX and nothing else",
    "text": "the answer as a short phrase",
    "exact": "the answer in the form that is asked for, and nothing else",
}
"""What a final line must hold, by kind of answer."""


@dataclass(frozen=True)
class Prompts:
    """All prompts, by name, and the version of each."""

    texts: dict[str, str]
    versions: dict[str, int]

    def write(self, name: str, **fields: str) -> list[Message]:
        """The chat that a prompt file makes of its fields."""
        return [{"role": "user", "content": self.texts[name].format(**fields)}]


def load_prompts(folder: Path | None = None) -> Prompts:
    """The shipped prompts, those in ``folder`` put in their place. Raises UsageError."""
    if folder is not None:
        _check_folder(folder)
    texts, versions = {}, {}
    for name in FIELDS:
        own = folder / f"{name}.md" if folder else None
        path = own if own is not None and own.is_file() else SHIPPED / f"{name}.md"
        versions[name], texts[name] = _read(path, FIELDS[name])
    return Prompts(texts, versions)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise UsageError(f"--prompts {folder} is not a directory")
    for path in sorted(folder.glob("*.md")):
        if path.stem not in FIELDS:
            raise UsageError(f"{path} is not a prompt; the prompts are {', '.join(FIELDS)}")


def _read(path: Path, known: set[str]) -> tuple[int, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    head = re.match(r"version: (\d+)\n\n", text)
    if head is None:
        raise UsageError(f"{path} must start with the line 'version: N' and a blank line")
    body = text[head.end() :].strip()
    try:
        used = {field for _, field, _, _ in Formatter().parse(body) if field is not None}
    except ValueError as error:
        raise UsageError(f"{path}: {error}; write a brace itself as two") from None
    if not used <= known:
        strange = ", ".join(sorted(used - known))
        raise UsageError(f"{path} uses {{{strange}}}; it may use {', '.join(sorted(known))}")
    return int(head[1]), body
