"""A journal of a million steps, written through the journal itself in large transactions."""

from collections.abc import Iterator
from pathlib import Path

from reason.run_config import RunConfig
from reason.settings import RunOptions
from runs.journal import SampleRow, StepRow, UsageDelta
from runs.store import RunDir, create
from tasks.hanoi.rules import optimal_move

DISKS = 20
STEPS = 2**DISKS - 1
BATCH = 65536
HARD = 777_777  # the one step with dissent


def steps() -> Iterator[StepRow]:
    """The shortest solution, each state made from the last by moving one letter."""
    letters = ["A"] * DISKS
    for step in range(1, STEPS + 1):
        disk, source, target = optimal_move(step, DISKS, 0, 2)
        letters[DISKS - disk] = "ABC"[target]
        action = f"{disk} {'ABC'[source]} {'ABC'[target]}"
        votes, tally = (9, "6:3") if step == HARD else (3, "3")
        yield StepRow(step, action, "".join(letters), votes, 0, 1, tally, 17, 51, 0)


def make_million(base: Path) -> RunDir:
    """The run, as if a simulated model had solved it."""
    task = {"name": "hanoi", "disks": DISKS}
    config = RunConfig(task, RunOptions.model_validate({"model": ["sim"]}))
    run = create(base, "million", config.to_dict(), "hanoi-20")
    with run.journal(config.genesis) as journal:
        batch: list[StepRow] = []
        for row in steps():
            batch.append(row)
            if len(batch) == BATCH or row.step == STEPS:
                usage = UsageDelta(
                    "simulated", 17 * len(batch), 51 * len(batch), 3 * len(batch), 0.0
                )
                kept = [SampleRow(HARD, 0, "an answer", "stop", "", "simulated")]
                held = batch[0].step <= HARD <= row.step
                journal.append(batch, [usage], 30.0, kept if held else [])
                batch = []
    return run
