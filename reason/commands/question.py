"""``reason solve "QUESTION"``: answer a problem whose steps nobody wrote down."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.markup import escape
from rich.progress import track
from rich.text import Text

from agents.questions.answering import Answered
from reason.asking import AskOptions, answer_all
from reason.commands.asking import ask_options, asks
from reason.commands.common import print_json, stderr, stdout
from reason.display import money, named
from reason.errors import NoConvergence, UsageError
from reason.unanswered import unanswered
from runs.lines import LineWriter, Row, read_lines
from tasks.questions.base import Kind, Question
from tasks.questions.files import load_questions

COUNTED = {"answer", "decided", "calls", "flagged"}  # what totals need of a row

StrategyFlag = Annotated[str, typer.Option(help="direct, vote, recursive, daslam or auto.")]


@asks()
def question(
    text: Annotated[str | None, typer.Argument(metavar="QUESTION", help="- reads it.")] = None,
    file: Annotated[Path | None, typer.Option(help="File that holds the question.")] = None,
    batch: Annotated[Path | None, typer.Option(help="JSONL file of questions.")] = None,
    out: Annotated[Path | None, typer.Option(help="JSONL file that answers go to.")] = None,
    strategy: StrategyFlag = "auto",
    kind: Annotated[str, typer.Option(help="Of the answer: number, letter, math, text.")] = "math",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first of a batch.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    **flags: Any,
) -> None:
    """Answer a question, or a batch of them, with a general model."""
    options = ask_options(strategy, flags)
    if batch is not None:
        if text or file:
            raise UsageError("--batch takes the place of a question")
        if out is None:
            raise UsageError("--batch needs --out FILE for the answers")
        asked_all = load_questions(batch, limit)
        if os.path.realpath(batch) == os.path.realpath(out):
            raise UsageError(f"--out {out} is the file of questions: name another for the answers")
        run_batch(asked_all, out, options, as_json=as_json, quiet=quiet)
        return
    asked = Question("question", _text(text, file), answer_kind(kind))
    answered = answer(asked, options, quiet=quiet)
    show(answered, as_json=as_json)
    raise typer.Exit(0 if answered.outcome.decided else NoConvergence.exit_code)


def _text(text: str | None, file: Path | None) -> str:
    if (text is None) == (file is None):
        raise UsageError("give a question, - for standard input, or --file; --batch for many")
    try:
        asked = file.read_text(encoding="utf-8") if file else text
        asked = sys.stdin.read() if asked == "-" else asked
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the question: {error}") from None
    if not (asked or "").strip():
        raise UsageError("the question is empty")
    return (asked or "").strip()


def answer_kind(kind: str) -> Kind:
    """The kind that --kind names. Raises UsageError."""
    if kind not in get_args(Kind):
        raise UsageError(f"--kind must be one of {', '.join(get_args(Kind))}, not {kind!r}")
    return kind  # type: ignore[return-value]


def answer(asked: Question, options: AskOptions, *, quiet: bool) -> Answered:
    """Answer one question, with a sign of life on a terminal."""
    answers: list[Answered] = []
    if quiet or not stderr.is_terminal:
        asyncio.run(answer_all([asked], options, answers.append))
    else:
        with stderr.status(escape(f"{options.strategy}: asking {options.solver}")):
            asyncio.run(answer_all([asked], options, answers.append))
    return answers[0]


def show(answered: Answered, *, as_json: bool) -> None:
    """Print an answer and what it took."""
    if as_json:
        print_json(answered.to_dict())
        return
    outcome, row = answered.outcome, answered.to_dict()
    note = "" if outcome.decided else f" ({outcome.node.get('note', 'undecided')})"
    told: dict[str, str | Text] = {
        "answer": Text.assemble(outcome.answer or "none", (note, "yellow"))
    }
    if outcome.node.get("tally"):
        told["votes"] = ", ".join(f"{key}: {n}" for key, n in outcome.node["tally"][:5])
    told["calls"] = f"{row['calls']:,}, {row['flagged']:,} red-flagged"
    tokens = f"{answered.prompt_tokens:,} in, {answered.completion_tokens:,} out"
    told["tokens"] = f"{tokens}, {money(answered.cost_usd)}"
    told["time"] = f"{answered.seconds:,.1f} s"
    stdout().print(named(told))


def run_batch(
    questions: Sequence[Question], out: Path, options: AskOptions, *, as_json: bool, quiet: bool
) -> None:
    """Answer what ``out`` does not hold yet; every answer is written as soon as it is there."""
    with LineWriter(out) as lines:
        rows = lines.rows()
        _check_answers(out, rows)
        left = unanswered(questions, rows, out, "--out")
        asyncio.run(_with_progress(left, options, lines, quiet=quiet))
    rows = read_lines(out)
    totals = {
        "out": str(out),
        "questions": len(rows),
        "answered": sum(row["answer"] is not None for row in rows),
        "decided": sum(bool(row["decided"]) for row in rows),
        "calls": sum(row["calls"] for row in rows),
        "flagged": sum(row["flagged"] for row in rows),
    }
    if as_json:
        print_json(totals)
    elif not quiet:
        stdout().print(", ".join(f"{name} {value}" for name, value in totals.items()))


def _check_answers(out: Path, rows: list[Row]) -> None:
    """Raise UsageError for a row that is no answer."""
    for number, row in enumerate(rows, 1):
        if not isinstance(row.get("id"), str) or not row.keys() >= COUNTED:
            raise UsageError(f"{out} line {number} is not an answer: name another file with --out")


async def _with_progress(
    questions: Sequence[Question], options: AskOptions, lines: LineWriter, *, quiet: bool
) -> None:
    steps = iter(
        track(range(len(questions)), "questions", console=stderr, disable=quiet, transient=True)
    )

    def done(answered: Answered) -> None:
        lines.write(answered.to_dict())
        next(steps, None)

    await answer_all(questions, options, done)
