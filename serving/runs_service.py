"""Behind the runs API: the runs of one directory, listed, made, stopped, resumed and read.

Reading is done by plain functions, to be called from worker threads (:mod:`serving.run_view`,
:mod:`serving.question_sets`); working on a run is done by child processes
(:mod:`serving.workers`). The service keeps no state of a run but the pace at which it was last
seen, so it may be started anew at any time.
"""

import time
from collections import OrderedDict, deque
from pathlib import Path
from threading import Lock
from typing import Any

from reason.errors import ReasonError, UsageError
from reason.run_config import RunConfig, saved_config
from reason.settings import RunOptions, change_options
from runs.store import BrokenRun, RunDir, create, list_runs, open_run
from serving.question_sets import SUFFIX, Place, QuestionSet, describe, place_of
from serving.run_counts import RunCounts
from serving.run_models import Bucket, Progress, UnknownRun
from serving.run_view import read_progress, read_series
from serving.workers import Conflict, Workers
from tasks.catalog import Description

PACE_SECONDS = 20.0  # over which the rate of a running run is taken
SERIES_KEPT = 32

Item = Progress | QuestionSet


class RunsService:
    """The runs in ``base``; new ones take ``defaults`` for what their makers leave open.

    Args:
        base: directory of runs.
        defaults: options of new runs.
        journal_url: database for the journals of new runs; None keeps them in files.
        most_running: runs worked on at once.
        counts: where the runs worked on are counted.
    """

    def __init__(
        self,
        base: Path,
        defaults: RunOptions | None = None,
        journal_url: str | None = None,
        *,
        most_running: int = 8,
        counts: RunCounts | None = None,
    ) -> None:
        self.base, self.defaults = base, defaults or RunOptions.model_validate({})
        self.journal_url = journal_url
        self.workers = Workers(most_running, counts)
        self._paces: dict[str, deque[tuple[float, int]]] = {}
        self._series: OrderedDict[tuple[Any, ...], list[Bucket]] = OrderedDict()
        self._lock = Lock()

    def find(self, name: str) -> RunDir:
        """A run by the name of its directory. Raises UnknownRun, UsageError."""
        path = self._path(name)
        if not path.is_dir():
            raise UnknownRun(f"no run {name!r}")
        return open_run(path)

    def questions(self, name: str) -> Place:
        """A set of answered questions. Raises UnknownRun."""
        place = place_of(self._path(name))
        if place is None:
            raise UnknownRun(f"no questions {name!r}")
        return place

    def _path(self, name: str) -> Path:
        """The one directory below the base that a name may mean."""
        if not name or name[0] == "." or len(name) > 255 or set(name) & set("/\\\0"):
            raise UnknownRun(f"no run {name[:100]!r}")
        return self.base / name

    def page(self, first: int, count: int) -> tuple[list[Item], int]:
        """Runs and sets of questions, newest first, from ``first`` (0) on; how many there are."""
        found: list[tuple[str, RunDir | QuestionSet]] = []
        for run in list_runs(self.base):
            place = place_of(run.path) if isinstance(run, BrokenRun) else None
            shown = describe(place) if place else run
            found.append((shown.created, shown))
        batches = sorted(self.base.glob(f"*{SUFFIX}")) if self.base.is_dir() else []
        for place in filter(None, map(place_of, batches)):
            shown = describe(place)
            found.append((shown.created, shown))
        found.sort(key=lambda pair: pair[0], reverse=True)
        page = [shown for _, shown in found[first : first + count]]
        items = [self.progress(item) if isinstance(item, RunDir) else item for item in page]
        return items, len(found)

    def show(self, name: str) -> Item:
        """A run's progress, or what a set of questions is. Raises UnknownRun."""
        place = place_of(self._path(name))
        if place is not None:
            return describe(place)
        try:
            return self.progress(self.find(name))
        except UnknownRun:
            raise
        except UsageError as error:
            return Progress(id=name, status="broken", message=str(error))

    def progress(self, run: RunDir) -> Progress:
        """How a run stands; one that cannot be read is ``broken``, with the reason."""
        name = run.path.name
        try:
            found = read_progress(run, saved_config(run))
        except ReasonError as error:
            return Progress(id=name, status="broken", message=str(error), created=run.created)
        found.status = self._status(run)
        found.message = self._message(run)
        if found.status in ("running", "stopping"):
            found.rate, found.eta = self._pace(name, found)
            found.message = ""
        else:
            self._paces.pop(name, None)
        found.actions = self._actions(name, found.status)
        return found

    def _status(self, run: RunDir) -> str:
        if self.workers.stopping(run.path.name):
            return "stopping"
        if self.workers.holds(run.path.name):
            return "running"
        with (
            self._lock
        ):  # to look takes the run's lock for an instant, which another look would see
            return run.status()

    def _message(self, run: RunDir) -> str:
        summary = run.summary() or {}
        return self.workers.complaint(run.path.name) or str(summary.get("message", ""))

    def _pace(self, name: str, found: Progress) -> tuple[float, float | None]:
        """Steps a second since about twenty seconds ago, and the seconds left at that rate."""
        now = time.monotonic()
        with self._lock:
            seen = self._paces.setdefault(name, deque(maxlen=256))
            if not seen or now - seen[-1][0] >= 0.5:
                seen.append((now, found.steps))
            while len(seen) > 2 and now - seen[1][0] > PACE_SECONDS:
                seen.popleft()
            since, steps = seen[0]
        rate = (found.steps - steps) / (now - since) if now - since > 5 else found.rate
        if found.steps_total is None or rate <= 0:
            return max(rate, 0.0), None
        return rate, (found.steps_total - found.steps) / rate

    def _actions(self, name: str, status: str) -> Any:
        if self.workers.holds(name):
            return [] if status == "stopping" else ["cancel"]
        return [] if status in ("running", "solved", "wrong", "broken") else ["resume"]

    def series(self, run: RunDir, most: int) -> list[Bucket]:
        """The whole run in at most ``most`` stretches; kept until the run has gone on."""
        found = self.progress(run)
        key = (found.id, run.created, found.steps, found.votes, found.flagged, most)
        with self._lock:
            if key in self._series:
                self._series.move_to_end(key)
                return self._series[key]
        series = read_series(run, most)
        with self._lock:
            self._series[key] = series
            while len(self._series) > SERIES_KEPT:
                self._series.popitem(last=False)
        return series

    def make(self, task: Description, options: dict[str, Any], name: str | None) -> RunDir:
        """Check a description and make its run directory. Raises UsageError, StorageError."""
        config = RunConfig(task, change_options(self.defaults, options))
        try:
            config.check()
            built = config.build_task()
            built.steps(), built.initial()
        except (TypeError, ValueError, OverflowError) as error:
            raise UsageError(f"cannot be carried out as described: {error}") from None
        return create(self.base, name, config.to_dict(), built.label, self.journal_url)

    def change(self, run: RunDir, changes: dict[str, Any]) -> None:
        """Give a run that nobody is working on new limits. Raises UsageError, Conflict."""
        found = self.progress(run)
        if "resume" not in found.actions:
            raise Conflict(f"run {found.id} is {found.status}: there is nothing to resume")
        if changes:
            config = saved_config(run)
            config = RunConfig(config.task, change_options(config.options, changes))
            config.check()
            run.write_config(config.to_dict())

    async def close(self) -> None:
        """Stop what is under way; all of it can be resumed."""
        await self.workers.close()
