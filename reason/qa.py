"""``reason eval qa``: strategies on a set of questions, in one resumable directory.

eval.json         what is evaluated; the same directory takes nothing else
STRATEGY.jsonl    one row a question, transcript included, written as soon as it is answered
report.json, report.html
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.progress import track
from rich.table import Table

from agents.questions.answering import Answered
from evals.qa import Comparison, Score, compare, score
from evals.qa_page import write_page
from reason.asking import AskOptions, answer_all
from reason.commands.common import stderr
from reason.display import money
from reason.errors import UsageError
from reason.settings import load_settings
from reason.unanswered import unanswered
from runs.files import make_folder, write_json
from runs.lines import LineWriter, read_lines
from runs.store import new_id
from tasks.chains.questions import chain_questions, is_chains
from tasks.questions.base import Question
from tasks.questions.files import load_questions
from tasks.questions.gym import PREFIX, gym_questions

GYM_QUESTIONS = 100  # of a generator that nobody set a limit to


@dataclass(frozen=True)
class Result:
    """What an evaluation found."""

    data: str
    scores: list[Score]
    comparisons: list[Comparison]
    page: Path

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "data": self.data,
            "strategies": [of.to_dict() for of in self.scores],
            "comparisons": [asdict(pair) for pair in self.comparisons],
            "report": str(self.page),
        }

    def table(self) -> Table:
        """The scores, a line each."""
        table = Table()
        for name in ("strategy", "accuracy", "95% interval", "right", "calls", "tokens", "cost"):
            table.add_column(name, no_wrap=name == "strategy")
        for of in self.scores:
            row = of.to_dict()
            low, high = row["interval"]
            table.add_row(
                of.strategy,
                f"{of.accuracy:.1%}",
                f"{low:.1%} to {high:.1%}",
                f"{row['right']} of {row['asked']}",
                f"{row['calls_per_question']:.1f}",
                f"{row['tokens_per_question']:,.0f}",
                money(row["cost_per_question_usd"]),
            )
        return table

    def pairs(self) -> list[str]:
        """The comparisons, a line each."""
        return [
            f"{pair.first} alone right on {pair.first_only}, {pair.second} alone on "
            f"{pair.second_only}: p = {pair.p:.3g} (McNemar)"
            for pair in self.comparisons
        ]


def run_qa(
    data: str,
    limit: int | None,
    seed: int,
    strategies: Mapping[str, AskOptions],
    folder: Path | None,
    *,
    quiet: bool,
) -> Result:
    """Answer what is not answered yet with every strategy, then score and report.

    Raises UsageError for a file without right answers, and for a directory of another evaluation
    or of other questions.
    """
    questions = _questions(data, limit, seed)
    if all(question.gold is None for question in questions):
        raise UsageError(f"{data} has no right answers to score by: give rows a field 'answer'")
    folder = folder or load_settings().runs_dir / new_id(f"qa-{_name(data)}")
    for name in strategies:
        path = folder / f"{name}.jsonl"
        unanswered(questions, read_lines(path), path, "--run-dir")  # before anything is written
    _claim(folder, data, strategies)
    for name, options in strategies.items():
        _answer(questions, folder / f"{name}.jsonl", options, quiet=quiet)
    return _report(data, questions, list(strategies), folder)


def _questions(data: str, limit: int | None, seed: int) -> list[Question]:
    if is_chains(data):
        return chain_questions(data, limit or GYM_QUESTIONS, seed)
    if data.startswith(PREFIX):
        return gym_questions(data.removeprefix(PREFIX), limit or GYM_QUESTIONS, seed)
    return load_questions(Path(data), limit)


def _name(data: str) -> str:
    if is_chains(data):
        return data.replace(":", "-")
    return data.removeprefix(PREFIX) if data.startswith(PREFIX) else Path(data).stem


def _claim(folder: Path, data: str, strategies: Mapping[str, AskOptions]) -> None:
    """Make the directory, or check that it holds this very evaluation."""
    plan = {
        name: {"models": options.asked, "manner": asdict(options.manner)}
        for name, options in strategies.items()
    }
    make_folder(folder)
    manifest = folder / "eval.json"
    if manifest.is_file():
        saved = _manifest(manifest)
        if saved.get("data") != _name(data):
            raise UsageError(f"{folder} is about {saved.get('data')}: name another --run-dir")
        known = saved.get("strategies", {})
        for name, given in plan.items():
            changed = [part for part in given if known.get(name, given).get(part) != given[part]]
            if changed:
                raise UsageError(
                    f"{folder} has {name} with other {', '.join(changed)}: name another --run-dir"
                )
        write_json(manifest, {"data": _name(data), "strategies": known | plan})
        return
    if any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty and no evaluation: name another --run-dir")
    write_json(manifest, {"data": _name(data), "strategies": plan})


def _manifest(path: Path) -> dict[str, Any]:
    """A JSON object in a file. Raises UsageError."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    return value if isinstance(value, dict) else {}


def _answer(questions: Sequence[Question], path: Path, options: AskOptions, *, quiet: bool) -> None:
    with LineWriter(path) as lines:
        left = unanswered(questions, lines.rows(), path, "--run-dir")
        steps = iter(
            track(range(len(left)), options.strategy, console=stderr, disable=quiet, transient=True)
        )

        def done(answered: Answered) -> None:
            lines.write(answered.to_dict())
            next(steps, None)

        asyncio.run(answer_all(left, options, done))


def _report(
    data: str, questions: Sequence[Question], strategies: Sequence[str], folder: Path
) -> Result:
    rows = {name: read_lines(folder / f"{name}.jsonl") for name in strategies}
    scores = [score(name, questions, rows[name]) for name in strategies]
    comparisons, page = compare(scores), folder / "report.html"
    result = Result(_name(data), scores, comparisons, page)
    write_json(folder / "report.json", result.to_dict())
    write_page(
        page, f"{_name(data)}: {len(questions)} questions", questions, scores, comparisons, rows
    )
    return result
