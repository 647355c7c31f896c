"""The report of a question evaluation: one self-contained HTML page, transcripts included."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from evals.qa import Comparison, Score
from runs.files import write_text
from tasks.questions.base import Question

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } th, td { padding: .25rem .75rem; text-align: right; }
th:first-child, td:first-child { text-align: left; } tr { border-bottom: 1px solid #8884; }
pre { white-space: pre-wrap; background: #8881; padding: .75rem; border-radius: .5rem; }
summary { cursor: pointer; } .right { color: #2a8a3e; } .wrong { color: #c0392b; }
.bar { display: inline-block; height: .6rem; background: #4a7fd0; }
"""


def write_page(
    path: Path,
    title: str,
    questions: Sequence[Question],
    scores: Sequence[Score],
    comparisons: Sequence[Comparison],
    rows: Mapping[str, Sequence[dict[str, Any]]],
) -> None:
    """Write the page. Raises StorageError."""
    body = [f"<h1>{escape(title)}</h1>", _table(scores), _pairs(comparisons), "<h2>Questions</h2>"]
    by_id = {name: {row["id"]: row for row in of} for name, of in rows.items()}
    body += [_question(question, scores, by_id) for question in questions]
    head = f"<meta charset=utf-8><title>{escape(title)}</title><style>{STYLE}</style>"
    write_text(
        path, f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(body)}</body>"
    )


def _table(scores: Sequence[Score]) -> str:
    head = [
        "strategy",
        "accuracy",
        "95% interval",
        "right",
        "no answer",
        "calls",
        "tokens",
        "seconds",
        "cost",
    ]
    cells = "".join(f"<th>{name}</th>" for name in head)
    return f"<table><tr>{cells}</tr>{''.join(map(_row, scores))}</table>"


def _row(score: Score) -> str:
    data = score.to_dict()
    low, high = data["interval"]
    cost = data["cost_per_question_usd"]
    cells = [
        escape(score.strategy),
        f"<span class=bar style='width:{score.accuracy * 6:.2f}rem'></span> {score.accuracy:.1%}",
        f"{low:.1%} to {high:.1%}",
        f"{data['right']} of {data['asked']}",
        str(data["asked"] - data["answered"]),
        f"{data['calls_per_question']:.1f}",
        f"{data['tokens_per_question']:,.0f}",
        f"{data['seconds_per_question']:.2f}",
        "unknown" if cost is None else f"${cost:.5f}",
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _pairs(comparisons: Sequence[Comparison]) -> str:
    lines = [
        f"<li>{escape(pair.first)} alone right on {pair.first_only}, {escape(pair.second)} alone "
        f"on {pair.second_only}: p = {pair.p:.3g}</li>"
        for pair in comparisons
    ]
    return f"<h2>Compared on the same questions</h2><ul>{''.join(lines)}</ul>" if lines else ""


def _question(
    question: Question, scores: Sequence[Score], rows: Mapping[str, Mapping[str, dict[str, Any]]]
) -> str:
    parts = []
    for score in scores:
        row = rows[score.strategy].get(question.id)
        if row is None:
            continue
        mark = "right" if question.id in score.right else "wrong"
        trace = escape(json.dumps(row["trace"], indent=1, ensure_ascii=False))
        parts.append(
            f"<details><summary>{escape(score.strategy)}: <span class={mark}>"
            f"{escape(str(row['answer']))} ({mark})</span></summary><pre>{trace}</pre></details>"
        )
    text, gold = escape(question.text), escape(str(question.gold))
    return f"<h3>{escape(question.id)}</h3><pre>{text}</pre><p>gold: {gold}</p>{''.join(parts)}"
