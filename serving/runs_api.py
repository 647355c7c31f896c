"""``/api/runs``: the runs of this server's directory over HTTP; see docs/dashboard.md.

Every list is paged and every page is bounded, so no request can ask for a whole journal. Ids are
names of directories, never paths.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field

from reason.errors import UsageError
from reason.run_config import saved_config
from runs.store import RunDir
from serving import question_sets as sets
from serving import run_models as models
from serving import run_view as view
from serving.errors import RUN_RESPONSES, STREAM_RESPONSES
from serving.run_guards import refuse_other_sites, refuse_unspeakable, tell_errors
from serving.run_models import Changes, NewRun, Progress
from serving.runs_service import Item, RunsService
from serving.workers import Conflict

EVENT_SECONDS = 1.0
MOST_STEPS = 500
MOST_FRAMES = 256
LAST = 2**53  # beyond any step, and still a number to every JSON reader

Name = Annotated[str, Path(min_length=1, max_length=255)]
Number = Annotated[int, Path(ge=1, le=LAST)]
First = Annotated[int, Query(ge=1, le=LAST)]


class RunPage(BaseModel):
    """Some runs, and how many there are."""

    total: int
    runs: list[Item]


class Shown(BaseModel):
    """A run or set of questions; of a run also its configuration, usage and last summary."""

    item: Item = Field(discriminator="kind")
    config: dict[str, Any] | None = None
    usage: list[dict[str, Any]] = []
    summary: dict[str, Any] | None = None


def runs_router(service: RunsService) -> APIRouter:
    """The router; including it in an app also lets the app's end stop the runs under way."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.close()

    router = APIRouter(
        prefix="/api/runs",
        tags=["runs"],
        lifespan=lifespan,
        dependencies=[Depends(tell_errors)],
        responses=RUN_RESPONSES,
    )
    _add_progress(router, service)
    _add_pages(router, service)
    _add_questions(router, service)
    _add_changing(router, service)
    return router


def _finder(service: RunsService) -> Callable[[str], RunDir]:
    """The dependency that finds a request's run, before anything is answered."""

    def found(run_id: Name) -> RunDir:
        return service.find(run_id)

    return found


def _add_progress(router: APIRouter, service: RunsService) -> None:
    run_dir = Depends(_finder(service))

    @router.get("")
    def list_runs(
        first: Annotated[int, Query(ge=0, le=LAST)] = 0,
        count: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> RunPage:
        """Runs and sets of questions, the newest first."""
        runs, total = service.page(first, count)
        return RunPage(total=total, runs=runs)

    @router.get("/{run_id}")
    def show(run_id: Name) -> Shown:
        """Progress and configuration."""
        item = service.show(run_id)
        if not isinstance(item, Progress) or item.status == "broken":
            return Shown(item=item)
        run = service.find(run_id)
        config = saved_config(run)
        return Shown(
            item=item,
            config=config.to_dict(),
            usage=view.read_usage(run),
            summary=run.summary(),
        )

    @router.get("/{run_id}/events", response_class=EventSourceResponse, responses=STREAM_RESPONSES)
    async def events(run: Annotated[RunDir, run_dir]) -> AsyncIterator[ServerSentEvent]:
        """``progress`` about once a second while the run is under way, then ``summary``."""
        while True:
            now = await run_in_threadpool(service.progress, run)
            if now.status not in ("running", "stopping"):
                yield ServerSentEvent(event="summary", data=now)
                return
            yield ServerSentEvent(event="progress", data=now)
            await asyncio.sleep(EVENT_SECONDS)


def _add_pages(router: APIRouter, service: RunsService) -> None:
    run_dir = Depends(_finder(service))

    @router.get("/{run_id}/steps")
    def steps(
        run: Annotated[RunDir, run_dir],
        first: First = 1,
        count: Annotated[int, Query(ge=1, le=MOST_STEPS)] = 50,
    ) -> list[models.Step]:
        """A page of steps."""
        return view.read_steps(run, first, count)

    @router.get("/{run_id}/steps/{step}/samples")
    def samples(run: Annotated[RunDir, run_dir], step: Number) -> list[models.Answer]:
        """The raw answers kept of a step with dissent or red flags."""
        return view.read_answers(run, step)

    @router.get("/{run_id}/hardest")
    def hardest(
        run: Annotated[RunDir, run_dir], count: Annotated[int, Query(ge=1, le=100)] = 20
    ) -> list[models.Step]:
        """The steps that took the most answers."""
        return view.read_hardest(run, count)

    @router.get("/{run_id}/series")
    def series(
        run: Annotated[RunDir, run_dir], buckets: Annotated[int, Query(ge=1, le=1000)] = 240
    ) -> list[models.Bucket]:
        """Votes and red flags over the whole run, in stretches of equal length."""
        return service.series(run, buckets)

    @router.get("/{run_id}/pegs")
    def pegs(
        run: Annotated[RunDir, run_dir],
        first: Annotated[int, Query(ge=0, le=LAST)] = 0,
        count: Annotated[int, Query(ge=1, le=MOST_FRAMES)] = 1,
    ) -> list[models.Frame]:
        """The pegs after some steps of Towers of Hanoi; step 0 is the start."""
        return view.read_pegs(run, first, count)

    @router.get("/{run_id}/parting/{other}")
    def parting(run: Annotated[RunDir, run_dir], other: Name) -> models.Parting:
        """Where this run's journal and another's part."""
        return view.read_parting(run, service.find(other))


def _add_questions(router: APIRouter, service: RunsService) -> None:
    @router.get("/{run_id}/questions/{strategy}")
    def questions(
        run_id: Name,
        strategy: Name,
        first: First = 1,
        count: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> sets.QuestionPage:
        """Answered questions of a strategy, in the order in which they were answered."""
        return sets.read_questions(service.questions(run_id), strategy, first, count)

    @router.get("/{run_id}/questions/{strategy}/{number}")
    def transcript(run_id: Name, strategy: Name, number: Number) -> sets.Transcript:
        """One answered question, with all that was asked and said on the way."""
        return sets.read_transcript(service.questions(run_id), strategy, number)


def _add_changing(router: APIRouter, service: RunsService) -> None:
    guard = [Depends(refuse_other_sites), Depends(refuse_unspeakable)]

    @router.post("", status_code=201, dependencies=guard)
    async def create(new: NewRun, response: Response) -> Progress:
        """Make a run and start it."""
        service.workers.check_room()
        given = new.options.model_dump(include=new.options.model_fields_set)
        try:
            run = await run_in_threadpool(service.make, new.task, given, new.name)
        except UsageError as error:
            raise HTTPException(422, str(error)) from None
        service.workers.start(run.path)
        response.headers["Location"] = f"/api/runs/{run.path.name}"
        return await run_in_threadpool(service.progress, run)

    @router.post("/{run_id}/cancel", status_code=202, dependencies=guard)
    async def cancel(run_id: Name) -> Progress:
        """Stop a run that this server started; it can be resumed."""
        run = await run_in_threadpool(service.find, run_id)
        service.workers.stop(run.path.name)
        return await run_in_threadpool(service.progress, run)

    @router.post("/{run_id}/resume", status_code=202, dependencies=guard)
    async def resume(run_id: Name, changes: Changes | None = None) -> Progress:
        """Go on with a run, under new limits if any are given."""
        run = await run_in_threadpool(service.find, run_id)
        service.workers.check_room()
        given = changes.model_dump(exclude_none=True) if changes else {}
        try:
            await run_in_threadpool(service.change, run, given)
        except Conflict:
            raise
        except UsageError as error:
            raise HTTPException(422, str(error)) from None
        service.workers.start(run.path)
        return await run_in_threadpool(service.progress, run)
