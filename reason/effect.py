"""What a training did to a microagent: two measurements of it on its task, side by side."""

from typing import TYPE_CHECKING, Any, NamedTuple

from rich.table import Table

from agents.calibration import Skill
from agents.forecast import Forecast

if TYPE_CHECKING:
    from training.micro.rl import Mined


class Measured(NamedTuple):
    """A model's skill, and the forecast of the whole task."""

    skill: Skill
    seen: Forecast


class Effect(NamedTuple):
    """The model before and after, and what the rounds between found."""

    before: Measured
    after: Measured
    found: "list[Mined]"


def figures(measured: Measured) -> dict[str, Any]:
    """What a report keeps of a measurement."""
    skill, seen = measured
    return {
        "p": skill.p._asdict(),
        "flag_rate": 1 - skill.v.estimate,
        "asked": skill.samples,
        "lost_share": skill.lost,
        "steps": seen.steps,
        "target": seen.target,
        "k_min": seen.k_range[1],
        "k": seen.k,
        "votes": seen.votes,
        "answers": seen.answers,
        "tokens": seen.tokens,
        "cost_usd": seen.cost_usd,
        "success": seen.success._asdict(),
        "verdict": seen.verdict,
    }


def effect_table(before: Measured, after: Measured) -> Table:
    """Before, after and the effect, as a table."""
    table = Table("", "before", "after", "effect", box=None)
    for name, old, new in zip(_NAMES, _row(before), _row(after), strict=True):
        table.add_row(name, _told(old), _told(new), _effect(old, new))
    low = [f"{m.skill.p.low:.4f} to {m.skill.p.high:.4f}" for m in (before, after)]
    table.add_row("95% interval of p", *low)
    table.add_row("verdict", before.seen.verdict, after.seen.verdict)
    return table


_NAMES = (
    "p, a valid answer is right",
    "red flags, share of answers",
    "steps where a wrong answer leads, share",
    "k_min for p as estimated",
    "k for the low end of p",
    "answers for the whole task",
    "tokens for the whole task",
)


def _row(measured: Measured) -> tuple[float | int | None, ...]:
    skill, seen = measured
    tokens = sum(seen.tokens) if seen.tokens else None
    v = skill.v.estimate
    answers = seen.answers
    return skill.p.estimate, 1 - v, skill.lost, seen.k_range[1], seen.k, answers, tokens


def _told(value: float | int | None) -> str:
    if value is None:
        return "none"
    if isinstance(value, int):
        return str(value)
    return f"{value:,.0f}" if value >= 100 else f"{value:.4f}"


def _effect(old: float | int | None, new: float | int | None) -> str:
    if old is None or new is None or old == new:
        return "" if old == new else "from none" if old is None else "to none"
    if isinstance(old, int) or abs(old) < 100:
        return f"{new - old:+d}" if isinstance(new, int) else f"{new - old:+.4f}"
    return f"x {new / old:.2f}"
