"""Further attempts after passing faults, by model: kept with a run, for whoever watches it.

They are no part of the truth, so they are not written with every step: once a chunk is enough.
"""

import json

from runs.journal import Journal

KEY = "retries"


def read_retries(journal: Journal) -> dict[str, int]:
    """How often each model has been tried again, over all sessions of a run."""
    counts: dict[str, int] = json.loads(journal.get_meta(KEY) or "{}")
    return counts


class Retries:
    """Counts retries of one session and adds them to the run's."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._counts = read_retries(journal)
        self._kept = True

    def add(self, model: str) -> None:
        """Count a further attempt; the engines call it."""
        self._counts[model] = self._counts.get(model, 0) + 1
        self._kept = False

    def keep(self) -> None:
        """Write what is not written yet. Raises StorageError."""
        if not self._kept:
            self._journal.set_meta(KEY, json.dumps(self._counts))
            self._kept = True
