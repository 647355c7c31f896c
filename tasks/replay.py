"""The offline verdict over tasks whose right step follows from the state alone.

Long multiplication, sorting and chains of arithmetic have a *rule*: a function from a state to the
one right step. A record is right if it is, step by step, what the rule leads to from the start.
"""

from collections.abc import Callable, Iterable
from typing import Any

from tasks.base import Record, Task, Verdict


def replay(task: Task, rule: Callable[[Any], Any], records: Iterable[Record]) -> Verdict:
    """Judge a record; the first step that differs from the rule's is the first error."""
    state, count = task.initial(), 0
    for count, record in enumerate(records, 1):
        if task.done(state):
            return Verdict(False, count, f"step {count}: no step was left", first_error=count)
        step = rule(state)
        state = task.advance(state, step)
        right = task.record(step, state)
        if record != right:
            reason = f"step {count}: {_difference(record, right)}"
            return Verdict(False, count, reason, first_error=count)
    if not task.done(state):
        return Verdict(False, count, f"only {count} of {task.steps()} steps")
    return Verdict(True, count)


def _difference(record: Record, right: Record) -> str:
    if record.action != right.action:
        return f"{record.action} is recorded where {right.action} is right"
    return f"{record.action} does not lead to the recorded state"
