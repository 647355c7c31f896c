"""What can be read of one run while it is written, or after: always a little, never its journal.

Everything comes from the journal, opened for reading, so a run is seen alike whoever works on it:
this server, a command line elsewhere, or nobody any more. A step is found by its primary key, a
page of steps is a range of keys, and a plot over a million steps is added up by the database.
"""

from typing import Any

from reason.errors import UsageError
from reason.run_config import RunConfig, saved_config
from reason.session import margin_in_force
from runs.journal import Journal, StepRow
from runs.store import RunDir
from serving.run_models import Answer, Bucket, Frame, Parting, Progress, Step, UnknownRun
from tasks.base import Record, Task


def open_journal(run: RunDir) -> Journal:
    """The journal of a run, for reading; a context manager. Raises UsageError, StorageError."""
    return run.journal(saved_config(run).genesis, readonly=True)


def read_progress(run: RunDir, config: RunConfig) -> Progress:
    """How far a run's journal has come; status and pace are the caller's to fill in."""
    task, options = config.build_task(), config.options
    found = Progress(
        id=run.path.name,
        status="unfinished",
        created=run.created,
        task=task.label,
        task_name=task.name,
        model=" ".join(options.model),
        k=options.k if isinstance(options.k, int) else None,
        steps_total=task.steps(),
    )
    if not run.has_journal:
        return found
    with run.journal(config.genesis, readonly=True) as journal:
        totals, head, usage = journal.totals(), journal.head(), journal.usage()
        k = margin_in_force(config, journal)
    costs = [used.cost_usd for used in usage]
    return found.model_copy(
        update={
            **totals._asdict(),
            "steps": head.step,
            "k": k,
            "cost_usd": None if None in costs else sum(cost for cost in costs if cost is not None),
            "hash": head.hash.hex(),
            "rate": head.step / totals.seconds if totals.seconds else 0.0,
        }
    )


def read_usage(run: RunDir) -> list[dict[str, Any]]:
    """What each model has used."""
    if not run.has_journal:
        return []
    with open_journal(run) as journal:
        return [used._asdict() for used in journal.usage()]


def read_steps(run: RunDir, first: int, count: int) -> list[Step]:
    """A page of steps."""
    if not run.has_journal:
        return []
    with open_journal(run) as journal:
        return [_step(row) for row, _ in journal.rows(first, first + count - 1)]


def read_answers(run: RunDir, step: int) -> list[Answer]:
    """The raw answers kept of a step: those of steps with dissent or red flags, until pruned."""
    if not run.has_journal:
        return []
    with open_journal(run) as journal:
        return [Answer.model_validate(row._asdict()) for row in journal.samples(step)]


def read_hardest(run: RunDir, count: int) -> list[Step]:
    """The steps that took the most answers."""
    if not run.has_journal:
        return []
    with open_journal(run) as journal:
        return [_step(row) for row in journal.hardest(count)]


def read_series(run: RunDir, most: int) -> list[Bucket]:
    """The whole run in at most ``most`` stretches of equal length."""
    if not run.has_journal:
        return []
    with open_journal(run) as journal:
        end = journal.head().step
        width = max(1, -(-end // most))
        starts = range(1, end + 1, width)
        return [_bucket(journal, first, min(first + width - 1, end)) for first in starts]


def _bucket(journal: Journal, first: int, last: int) -> Bucket:
    sums = journal.sums(first, last)
    return Bucket(first=first, last=last, votes=sums.votes, flagged=sums.flagged, most=sums.most)


def read_pegs(run: RunDir, first: int, count: int) -> list[Frame]:
    """The pegs after steps ``first`` (0: before the first) and later, at most ``count`` of them."""
    task = saved_config(run).build_task()
    if task.name != "hanoi":
        raise UnknownRun(f"{task.label} has no pegs: only Towers of Hanoi has")
    frames = [_frame(0, "", task.initial())] if first == 0 else []
    if not run.has_journal:
        return frames
    with open_journal(run) as journal:
        for row, _ in journal.rows(max(first, 1), first + count - 1):
            frames.append(_frame(row.step, row.action, _restored(task, row)))
    return frames


def _restored(task: Task, row: StepRow) -> object:
    try:
        return task.restore(Record(row.action, row.state))
    except (ValueError, KeyError, IndexError):
        raise UsageError(f"step {row.step} of the journal holds no pegs: it was altered") from None


def _frame(step: int, action: str, state: object) -> Frame:
    pegs: tuple[tuple[int, ...], ...] = getattr(state, "pegs")  # noqa: B009 - a task's own type
    return Frame.model_validate({"step": step, "action": action, "pegs": pegs})


def read_parting(left: RunDir, right: RunDir) -> Parting:
    """Compare two journals by some twenty look-ups each, whatever their length.

    A step's hash covers all steps before it, so equal hashes mean equal journals up to there.
    """
    same = saved_config(left).genesis == saved_config(right).genesis
    if not (left.has_journal and right.has_journal):
        return Parting(same_problem=same, common=0, parts_at=None)
    with open_journal(left) as one, open_journal(right) as other:
        end = min(one.head().step, other.head().step)
        low, high = 0, end
        while low < high:
            middle = (low + high + 1) // 2
            if _at(one, middle)[1] == _at(other, middle)[1]:
                low = middle
            else:
                high = middle - 1
        if low == end:
            return Parting(same_problem=same, common=end, parts_at=None)
        rows = _at(one, low + 1)[0], _at(other, low + 1)[0]
    return Parting(
        same_problem=same,
        common=low,
        parts_at=low + 1,
        left=_step(rows[0]),
        right=_step(rows[1]),
    )


def _at(journal: Journal, step: int) -> tuple[StepRow, bytes]:
    for found in journal.rows(step, step):
        return found
    raise UsageError(f"{journal.place}: step {step} is missing; restore a copy")


def _step(row: StepRow) -> Step:
    return Step.model_validate(row._asdict())
