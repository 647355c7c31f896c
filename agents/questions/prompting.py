"""Prompts as files: versioned, readable, and replaced by files of the same name in a user's folder.

A file starts with ``version: N`` and a blank line; the rest is one user message in which names in
braces are filled in. With a second line ``form: text`` it is a text to be continued instead, as
micro models want it: an empty field takes its whole line with it, and the last line is the
beginning of the answer (its *lead*).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import NamedTuple

from agents.questions.forms import JSON, SCHEMAS
from engines.base import Form
from reason.errors import UsageError
from reason.prompt import Prompt

SHIPPED = Path(__file__).parent / "prompts"
MICRO = SHIPPED / "micro"
"""The prompts that the micro models were trained on; they know no others."""

NOTHING = "(nothing yet)"
"""Stands in a chat for a field with nothing in it."""

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
    "subquestions-json": {"most", "question", "attempt"},
    "decompose-json": {"question"},
    "judge-json": {"question", "proposals"},
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


class Template(NamedTuple):
    """One prompt file.

    Attributes:
        version: of its wording.
        chat: whether it is a message of a chat, or a text to be continued.
        text: the wording, with names in braces.
    """

    version: int
    chat: bool
    text: str

    @property
    def lead(self) -> str:
        """The beginning of the answer that stands in the prompt already."""
        return "" if self.chat else self.text.rsplit("\n", 1)[-1]

    def write(self, fields: dict[str, str]) -> Prompt:
        """The prompt that the fields make of it."""
        if self.chat:
            filled = {name: value or NOTHING for name, value in fields.items()}
            return [{"role": "user", "content": self.text.format(**filled)}]
        lines = (line.format(**fields) for line in self.text.split("\n"))
        return "\n".join(line for line in lines if line)


@dataclass(frozen=True)
class Prompts:
    """All prompts of one model, by name."""

    templates: dict[str, Template]

    def write(self, name: str, **fields: str) -> Prompt:
        """The prompt that a file makes of its fields; empty ones are those with nothing to say."""
        return self.templates[name].write(fields)

    def form(self, name: str, **fields: str) -> Form | None:
        """The prompt with its answer asked for as JSON; None where there is no such prompt."""
        template = self.templates.get(f"{name}{JSON}")
        if template is None or not template.chat:
            return None
        return Form(template.write(fields), SCHEMAS[name](fields))

    def lead(self, name: str) -> str:
        """What every answer to a prompt begins with, since the prompt ends with it."""
        return self.templates[name].lead


def load_prompts(folder: Path | None = None) -> Prompts:
    """The shipped prompts, those in ``folder`` put in their place. Raises UsageError.

    A user's own ``decompose.md`` without a ``decompose-json.md`` is asked as it stands, always.
    """
    if folder is not None:
        _check_folder(folder)
    templates = {}
    for name in FIELDS:
        own = folder / f"{name}.md" if folder else SHIPPED / f"{name}.md"
        if own.is_file():
            templates[name] = _read(own, FIELDS[name])
        elif not (folder and (folder / f"{name.removesuffix(JSON)}.md").is_file()):
            templates[name] = _read(SHIPPED / f"{name}.md", FIELDS[name])
    return Prompts(templates)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise UsageError(f"--prompts {folder} is not a directory")
    for path in sorted(folder.glob("*.md")):
        if path.stem not in FIELDS:
            raise UsageError(f"{path} is not a prompt; the prompts are {', '.join(FIELDS)}")


def _read(path: Path, known: set[str]) -> Template:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    head = re.match(r"version: (\d+)\n(form: (?:text|chat)\n)?\n", text)
    if head is None:
        raise UsageError(
            f"{path} must start with the line 'version: N' (then, if you like, 'form: text') and a "
            "blank line"
        )
    body = text[head.end() :].strip()
    try:
        used = {field for _, field, _, _ in Formatter().parse(body) if field is not None}
    except ValueError as error:
        raise UsageError(f"{path}: {error}; write a brace itself as two") from None
    if not used <= known:
        strange = ", ".join(sorted(used - known))
        raise UsageError(f"{path} uses {{{strange}}}; it may use {', '.join(sorted(known))}")
    return Template(int(head[1]), head[2] != "form: text\n", body)
