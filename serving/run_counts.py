"""What the runs that this server works on come to, for Prometheus.

A run is worked on by a process of its own, and what it did stands in its journal. So the journal is
looked at every few seconds while the run is under way and once more when its process has ended;
what has been added since the last look is added to the counters. That costs the run nothing, and
what a killed process had committed is counted like all else. A look reads totals and groups of new
steps, added up by the database. What stood in the journal before this server took the run up is
not its doing, so it is neither read nor counted.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from prometheus_client import Counter, Gauge, Histogram

from agents.retries import read_retries
from reason.run_config import saved_config
from reason.summary import EXIT_CODES
from runs.journal import Journal, Totals, UsageDelta, Votes
from runs.storage import MissingJournal
from runs.store import RunDir, open_run
from serving.metrics import VOTES, Metrics
from serving.run_view import open_journal

log = logging.getLogger("reason.serving")

STATUSES: dict[int | None, str] = {code: status for status, code in EXIT_CODES.items()}
FAILED = "failed"  # a process that was killed, or never came to an end of its own
OUTCOMES = {"v": "varied", "p": "plurality", "e": "escalated"}


class _Seen(NamedTuple):
    """How far a run had come at a look; ``committed`` counts steps taken back since as well."""

    task: str
    step: int = 0
    committed: int = 0
    totals: Totals = Totals(0, 0, 0, 0, 0, 0, 0.0, 0)
    usage: Sequence[UsageDelta] = ()
    retries: Mapping[str, int] = MappingProxyType({})


def _read(task: str, journal: Journal) -> _Seen:
    totals = journal.totals()
    taken_back = int(journal.get_meta("rolled_back") or 0)
    return _Seen(
        task,
        journal.head().step,
        totals.steps + taken_back,
        totals,
        journal.usage(),
        read_retries(journal),
    )


class RunCounts:
    """The counters of runs, beside those of questions.

    Args:
        metrics: where they join.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics, registry = metrics, metrics.registry
        self._seen: dict[Path, _Seen] = {}

        def counter(name: str, text: str, *more: str) -> Counter:
            return Counter(f"reason_{name}", text, ("task", *more), registry=registry)

        self._ended = counter("runs", "Sessions on runs by how they ended.", "status")
        self._steps = counter("run_steps", "Steps committed.")
        self._votes = counter("run_votes", "Valid votes.")
        self._flags = counter("run_red_flags", "Answers discarded.")
        self._surplus = counter("run_surplus_votes", "Valid votes thrown away.")
        self._seconds = counter("run_working_seconds", "Working time.")
        self._undecided = counter(
            "run_undecided_steps", "Steps whose vote was not decided, by what was done.", "outcome"
        )
        self._votes_per_step = Histogram(
            "reason_run_votes_per_step",
            "Valid votes of a step.",
            ("task",),
            buckets=VOTES,
            registry=registry,
        )
        self._working = Gauge("reason_runs_in_flight", "Runs worked on.", registry=registry)

    def watch(self, working: Callable[[], int]) -> None:
        """Ask for the number of runs under way whenever it is wanted."""
        self._working.set_function(working)

    def begin(self, path: Path) -> None:
        """A run is taken up."""
        self._seen.pop(path, None)
        self.look(path)
        if (seen := self._seen.get(path)) is not None:  # what rises from nothing is no rise
            for status in (*STATUSES.values(), FAILED):
                self._ended.labels(seen.task, status)
            for outcome in OUTCOMES.values():
                self._undecided.labels(seen.task, outcome)

    def look(self, path: Path) -> None:
        """Count what has been added since the last look; the first look counts nothing."""
        try:
            self._look(open_run(path))
        except Exception as error:  # counting must not harm a run; a later look counts all of it
            log.warning("the counts of run %s must wait: %s", path.name, error)

    def end(self, path: Path, exit_code: int | None) -> None:
        """A run's process has ended, after a last look."""
        seen = self._seen.pop(path, None)
        if seen is not None:
            self._ended.labels(seen.task, STATUSES.get(exit_code, FAILED)).inc()

    def _look(self, run: RunDir) -> None:
        before, task = self._seen.get(run.path), saved_config(run).build_task().name
        try:
            with open_journal(run) as journal:
                seen = _read(task, journal)
                new = journal.votes(min(before.step, seen.step) + 1, seen.step) if before else []
        except MissingJournal:
            seen, new = _Seen(task), []
        if before is not None:
            self._count(before, seen, new)
        self._seen[run.path] = seen

    def _count(self, before: _Seen, now: _Seen, new: Sequence[Votes]) -> None:
        task, was, totals = now.task, before.totals, now.totals
        self._steps.labels(task).inc(max(0, now.committed - before.committed))
        self._votes.labels(task).inc(totals.votes - was.votes)
        self._flags.labels(task).inc(totals.flagged - was.flagged)
        self._surplus.labels(task).inc(totals.surplus - was.surplus)
        self._seconds.labels(task).inc(totals.seconds - was.seconds)
        self._count_votes(task, new)
        self._count_usage(before, now)
        for model, times in now.retries.items():
            self._metrics.retried(model, times - before.retries.get(model, 0))

    def _count_votes(self, task: str, new: Sequence[Votes]) -> None:
        observe = self._votes_per_step.labels(task).observe
        for group in new:
            for _ in range(group.steps):
                observe(group.votes)
            if group.how:
                self._undecided.labels(task, OUTCOMES[group.how]).inc(group.steps)

    def _count_usage(self, before: _Seen, now: _Seen) -> None:
        was = {used.model: used for used in before.usage}
        for used in now.usage:
            old = was.get(used.model, UsageDelta(used.model, 0, 0, 0, 0.0))
            prompt = used.prompt_tokens - old.prompt_tokens
            completion = used.completion_tokens - old.completion_tokens
            dollars = None
            if used.cost_usd is not None and old.cost_usd is not None:
                dollars = used.cost_usd - old.cost_usd
            self._metrics.spent(used.model, prompt, completion, dollars)
