"""The report of a run: ``report.json`` for programs, ``report.html`` for people.

The page is one file without scripts, fonts or anything fetched; plots are inline SVG.
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from math import log10
from pathlib import Path
from typing import Any

from reason.errors import StorageError

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark;
  --ink: #1d2430; --paper: #fff; --line: #8893a5; --bar: #2f6fb3; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e6e9ef; --paper: #14181f; --line: #6b7688; --bar: #6aa7e8; }} }}
body {{ font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; }}
td, th {{ padding: .15rem .8rem .15rem 0; text-align: left; }}
svg {{ width: 100%; height: auto; }} svg text {{ fill: var(--ink); font: 11px system-ui; }}
rect {{ fill: var(--bar); }} line {{ stroke: var(--line); }}
.good {{ color: #1a8f4c; }} .bad {{ color: #d33c3c; }}
</style></head><body>
<h1>{title} <span class="{mood}">{status}</span></h1>
{body}
</body></html>
"""

WIDTH, HEIGHT, FOOT = 720, 220, 28


def bars(title: str, points: Sequence[tuple[str, float]], *, logarithmic: bool = False) -> str:
    """A bar chart as a figure; on a logarithmic scale a bar's height is log10(1 + value)."""
    heights = [log10(1 + value) if logarithmic else value for _, value in points]
    top, slot = max(heights, default=0) or 1, WIDTH / max(1, len(points))
    parts = []
    for at, ((label, value), height) in enumerate(zip(points, heights, strict=True)):
        tall, left = (HEIGHT - FOOT - 20) * height / top, at * slot
        base, middle = HEIGHT - FOOT, left + slot / 2
        parts.append(
            f'<rect x="{left + slot * 0.1:.1f}" y="{base - tall:.1f}" width="{slot * 0.8:.1f}" '
            f'height="{tall:.1f}"><title>{escape(label)}: {value:,.6g}</title></rect>'
            f'<text x="{middle:.1f}" y="{base + 14}" text-anchor="middle">{escape(label)}</text>'
            f'<text x="{middle:.1f}" y="{base - tall - 4:.1f}" text-anchor="middle">'
            f"{value:,.6g}</text>"
        )
    scale = " (logarithmic)" if logarithmic else ""
    return (
        f"<h2>{escape(title)}{scale}</h2>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'<line x1="0" x2="{WIDTH}" y1="{HEIGHT - FOOT}" y2="{HEIGHT - FOOT}"/>'
        f"{''.join(parts)}</svg>"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """An HTML table."""
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{cells}</tr>{body}</table>"


def page(summary: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """The whole HTML page."""
    collisions, hardest = data["collisions"], data["hardest_steps"]
    rates = [(f"{at / 1000:,.0f}k", rate) for at, rate in _thinned(data["rate_over_time"])]
    parts = [
        table(("", ""), _facts(summary, data)),
        bars(
            "Steps undecided after each round",
            [(str(at), left) for at, left in enumerate(data["undecided_by_round"])][:24],
            logarithmic=True,
        ),
        bars(
            "Steps by votes",
            [(str(votes), count) for votes, count in data["steps_by_votes"].items()][:24],
            logarithmic=True,
        ),
        bars(
            "Collisions: first two votes of a step both wrong",
            [("seen", collisions["seen"]), ("expected if independent", collisions["expected"])],
        ),
        bars("Steps per second over the run, by step", rates) if rates else "",
        "<h2>Hardest steps</h2>",
        table(("step", "tally", "flagged", "rounds"), [tuple(row.values()) for row in hardest]),
    ]
    good = summary["status"] == "solved"
    return PAGE.format(
        title=escape(str(summary["task"])),
        status="solved and verified" if good else escape(str(summary["status"])),
        mood="good" if good else "bad",
        body="\n".join(parts),
    )


def _thinned(points: Sequence[Sequence[float]], most: int = 24) -> list[Sequence[float]]:
    return list(points[:: max(1, len(points) // most)])


def _facts(summary: Mapping[str, Any], data: Mapping[str, Any]) -> list[tuple[str, object]]:
    p, v = data["p"], data["v"]
    cost = summary["cost_usd"]
    return [
        ("model", summary["model"]),
        ("steps", f"{summary['steps']:,} of {summary['steps_total']:,}"),
        ("k", summary["k"]),
        ("votes", f"{summary['votes']:,}, {summary['surplus_votes']:,} surplus"),
        ("p (votes for the winner)", f"{p['estimate']:.6f}, 95%: {_span(p['interval'])}"),
        ("v (answers not red-flagged)", f"{v['estimate']:.6f}, 95%: {_span(v['interval'])}"),
        ("tokens", f"{data['tokens']['prompt']:,} in, {data['tokens']['completion']:,} out"),
        ("cost", "unknown" if cost is None else f"${cost:,.4f}"),
        ("time", f"{summary['seconds']:,.1f} s"),
        ("decided otherwise", json.dumps(data["decided_otherwise"])),
        ("journal hash", summary["hash"]),
    ]


def _span(interval: Sequence[float]) -> str:
    return f"{interval[0]:.6f} to {interval[1]:.6f}"


def write_report(folder: Path, summary: Mapping[str, Any], data: Mapping[str, Any]) -> Path:
    """Write both files into ``folder``; returns the page's path. Raises StorageError."""
    target = folder / "report.html"
    text = json.dumps({"summary": summary, **data}, indent=2)
    try:
        (folder / "report.json").write_text(text + "\n", encoding="utf-8")
        target.write_text(page(summary, data), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror}; free some space") from None
    return target
