"""Steps whose content follows from their number, so any journal can be checked."""

from runs.journal import Journal, StepRow, UsageDelta

GENESIS = bytes(range(32))


def row(step: int) -> StepRow:
    pegs = [
        " ".join(str(disk) for disk in range(20, 0, -1) if (step // disk) % 3 == peg)
        for peg in range(3)
    ]
    votes = 3 + step % 2
    return StepRow(
        step, f"{step % 20} A C", "\n".join(pegs), votes, step % 3, 1, "3", 120, 90, step % 4
    )


def usage(step: int) -> UsageDelta:
    return UsageDelta("micro", 120, 90, row(step).votes + step % 3, 0.001)


def write(journal: Journal, until: int, batch: int = 1) -> None:
    step = journal.head().step
    while step < until:
        numbers = range(step + 1, min(step + batch, until) + 1)
        journal.append([row(n) for n in numbers], [usage(n) for n in numbers], 0.5 * len(numbers))
        step = numbers[-1]
