"""``reason solve "QUESTION"``: answer a problem whose steps nobody wrote down."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from agents.questions.answering import Answered
from agents.questions.desk import Manner
from agents.questions.strategies import Strategy
from reason.asking import AskOptions, answer_all, ask_engine_options
from reason.commands.common import print_json, stderr
from reason.display import money
from reason.errors import NoConvergence, UsageError
from reason.settings import load_settings
from runs.lines import LineWriter, read_lines
from tasks.questions.base import Kind, Question
from tasks.questions.files import load_questions

StrategyFlag = Annotated[str, typer.Option(help="direct, vote, recursive, daslam or auto.")]
ModelFlag = Annotated[
    str | None,
    typer.Option("--model", "-m", "--solver", help="Model spec of the solver."),
]
Decomposer = Annotated[
    str | None, typer.Option(help="Model spec of the decomposer. [default: the solver's]")
]
Judge = Annotated[
    str | None, typer.Option(help="Model spec of the judge. [default: the decomposer's]")
]
Margin = Annotated[int, typer.Option("--k", min=1, help="Margin of every vote.")]
Heat = Annotated[float, typer.Option(min=0, max=2, help="Temperature of all but first answers.")]
Cap = Annotated[int, typer.Option(min=1, help="Completion cap; longer answers are red-flagged.")]
Votes = Annotated[int, typer.Option(min=1, help="Answers that one vote may use.")]
Calls = Annotated[int, typer.Option(min=1, help="Answers that one question may use in all.")]
Depth = Annotated[int, typer.Option(min=0, help="Levels of decomposition.")]
Proposals = Annotated[int, typer.Option(min=1, help="Decompositions to choose from.")]
PromptsFlag = Annotated[Path | None, typer.Option(help="Folder with prompt files of your own.")]
ClusterFlag = Annotated[
    str | None, typer.Option(help="ray spreads the work over the nodes of a Ray cluster.")
]
Parallel = Annotated[int, typer.Option(min=1, help="Questions worked on at once.")]


def question(
    text: Annotated[str | None, typer.Argument(metavar="QUESTION", help="- reads it.")] = None,
    file: Annotated[Path | None, typer.Option(help="File that holds the question.")] = None,
    batch: Annotated[Path | None, typer.Option(help="JSONL file of questions.")] = None,
    out: Annotated[Path | None, typer.Option(help="JSONL file that answers go to.")] = None,
    strategy: StrategyFlag = "auto",
    model: ModelFlag = None,
    decomposer: Decomposer = None,
    judge: Judge = None,
    kind: Annotated[str, typer.Option(help="Of the answer: number, letter, math, text.")] = "math",
    k: Margin = 2,
    temperature: Heat = 0.7,
    max_tokens: Cap = 512,
    max_votes: Votes = 20,
    max_calls: Calls = 1000,
    max_depth: Depth = 6,
    proposals: Proposals = 3,
    prompts: PromptsFlag = None,
    parallel: Parallel = 8,
    concurrency: Annotated[int | None, typer.Option(help="Requests in flight per model.")] = None,
    engine_cluster: ClusterFlag = None,
    budget_tokens: Annotated[int | None, typer.Option(help="Tokens of all questions.")] = None,
    budget_usd: Annotated[float | None, typer.Option(help="Dollars of all questions.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first of a batch.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Answer a question, or a batch of them, with a general model."""
    flags = dict(locals())
    options = ask_options(flags)
    if batch is not None:
        if text or file:
            raise UsageError("--batch takes the place of a question")
        if out is None:
            raise UsageError("--batch needs --out FILE for the answers")
        run_batch(load_questions(batch, limit), out, options, as_json=as_json, quiet=quiet)
        return
    asked = Question("question", _text(text, file), answer_kind(kind))
    answered = answer(asked, options, quiet=quiet)
    show(answered, as_json=as_json)
    raise typer.Exit(0 if answered.outcome.decided else NoConvergence.exit_code)


def ask_options(flags: dict[str, Any]) -> AskOptions:
    """Options from flags, and from the settings what no flag gives. Raises UsageError."""
    if flags["strategy"] not in get_args(Strategy):
        raise UsageError(
            f"--strategy must be one of {', '.join(get_args(Strategy))}, not {flags['strategy']!r}"
        )
    shared = ("concurrency", "budget_tokens", "budget_usd", "engine_cluster")
    settings = load_settings({name: flags.get(name) for name in shared})
    manner = Manner(
        k=flags["k"],
        max_votes=max(flags["max_votes"], flags["k"]),
        temperature=flags["temperature"],
        max_tokens=flags["max_tokens"],
        max_calls=flags["max_calls"],
        max_depth=flags["max_depth"],
        proposals=flags["proposals"],
    )
    lean = settings.transport == "lean"
    options = AskOptions(
        flags["strategy"],
        flags["model"] or settings.model[0],
        flags["decomposer"],
        flags["judge"],
        manner,
        flags["prompts"],
        flags["parallel"],
        settings.budget_tokens,
        settings.budget_usd,
        ask_engine_options(settings.concurrency, lean=lean, prices=settings.prices),
        settings.engine_cluster,
    )
    options.check()
    return options


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
        with stderr.status(f"{options.strategy}: asking {options.solver}"):
            asyncio.run(answer_all([asked], options, answers.append))
    return answers[0]


def show(answered: Answered, *, as_json: bool) -> None:
    """Print an answer and what it took."""
    if as_json:
        print_json(answered.to_dict())
        return
    outcome, table = answered.outcome, Table.grid(padding=(0, 2))
    note = "" if outcome.decided else f" [yellow]({outcome.node.get('note', 'undecided')})[/]"
    table.add_row("[bold]answer[/]", f"{outcome.answer or 'none'}{note}")
    if outcome.node.get("tally"):
        votes = ", ".join(f"{key}: {n}" for key, n in outcome.node["tally"][:5])
        table.add_row("[bold]votes[/]", votes)
    row = answered.to_dict()
    table.add_row("[bold]calls[/]", f"{row['calls']:,}, {row['flagged']:,} red-flagged")
    tokens = f"{answered.prompt_tokens:,} in, {answered.completion_tokens:,} out"
    table.add_row("[bold]tokens[/]", f"{tokens}, {money(answered.cost_usd)}")
    table.add_row("[bold]time[/]", f"{answered.seconds:,.1f} s")
    Console().print(table, highlight=False)


def run_batch(
    questions: Sequence[Question], out: Path, options: AskOptions, *, as_json: bool, quiet: bool
) -> None:
    """Answer what ``out`` does not hold yet; every answer is written as soon as it is there."""
    known = {row.get("id") for row in read_lines(out)}
    left = [asked for asked in questions if asked.id not in known]
    with LineWriter(out) as lines:
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
        Console().print(", ".join(f"{name} {value}" for name, value in totals.items()))


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
