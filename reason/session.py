"""One working session on a run: open everything, drive the graph, sum up, close everything.

A run may take several sessions. Each holds the run's lease, starts from the journal's head with
the saved configuration, and ends with a summary written beside the journal.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import cast

from langchain_core.runnables import RunnableConfig

from agents.budget import Budget, Limits
from agents.chunks import ChunkPipeline, Crew
from agents.executor import Executor
from agents.graph import RECURSION_LIMIT, Mission, RunState, build_graph
from agents.microagent import Microagent
from agents.pilot import Pilot
from agents.pipeline import Pipeline
from agents.planning import MixturePlanner, PilotPlanner, Planner
from agents.retries import Retries
from agents.spending import Spending
from agents.status import RunStatus, StopSwitch
from engines.base import Engine
from reason.checkpoints import open_saver, thread_of
from reason.run_config import RunConfig, engine_options, model_specs
from reason.seats import open_engines, seats, step_pipeline
from reason.settings import RunOptions
from reason.summary import Status, Summary, Tokens
from reason.telemetry import span
from runs.journal import Head, Journal
from runs.killpoints import reach
from runs.store import RunDir
from tasks.base import Record, Task

LONE_CHAIN = "without --speculate draft and a rule one node at a time works on a chain"


async def run_session(
    config: RunConfig, run: RunDir, status: RunStatus, switch: StopSwitch
) -> Summary:
    """Work on a run until it is finished or must stop; the caller holds the lease.

    Raises UsageError for a configuration that does not hold together, StorageError when the run
    directory cannot be opened; every later failure becomes the summary's status.
    """
    task = config.build_task()
    options = config.options
    async with AsyncExitStack() as stack:
        journal = stack.enter_context(run.journal(config.genesis))
        reach("journal-open")
        retries = Retries(journal)
        how = replace(engine_options(task, options), retried=retries.add)
        engines = await stack.enter_async_context(open_engines(model_specs(options), how))
        crew = await stack.enter_async_context(_crew(config))
        mission = _mission(config, task, journal, engines, retries, status, switch, crew)
        saver = await stack.enter_async_context(open_saver(run))
        thread: RunnableConfig = {**thread_of(run), "recursion_limit": RECURSION_LIMIT}
        graph = build_graph(mission, saver)
        with span("reason.run", run_id=run.run_id, task=task.label, k=str(options.k)):
            final = cast(RunState, await graph.ainvoke({}, thread, durability="sync"))
        await _last_accounts(mission.executor)
        summary = summarise(config, run, journal, final)
        run.write_summary(summary.model_dump())
        return summary


@asynccontextmanager
async def _crew(config: RunConfig) -> AsyncIterator[Crew | None]:
    """The actors that work on the run, where it is spread over a cluster."""
    if config.options.engine_cluster == "none":
        yield None
        return
    from reason.spread import step_crew

    async with step_crew(config) as crew:
        yield crew


async def _last_accounts(executor: Executor) -> None:
    """Charge what chunks that were given up have cost."""
    if isinstance(executor.pipeline, ChunkPipeline):
        await executor.pipeline.close()
        executor.charge()


def _mission(
    config: RunConfig,
    task: Task,
    journal: Journal,
    engines: list[Engine],
    retries: Retries,
    status: RunStatus,
    switch: StopSwitch,
    crew: Crew | None,
) -> Mission:
    options = config.options
    voters, escalation, drafters = seats(options, engines)
    spending = Spending(engines, journal.usage())
    limits = Limits(options.budget_tokens, options.budget_usd, options.budget_seconds)
    totals = journal.totals()
    budget = Budget(limits, spending, totals.seconds)
    agent = Microagent(task, voters, config.policy(task), spending, budget.check, escalation)
    pipeline: Pipeline | ChunkPipeline = step_pipeline(agent, options, drafters)
    if crew is not None:
        drafted = options.speculate == "draft" and options.draft_model is None
        pipeline = ChunkPipeline(
            agent, crew, budget, options.window if drafted else None, retries.add
        )
        if not drafted:
            status.note = LONE_CHAIN
    executor = Executor(task, pipeline, journal, budget, status, options.rollback)
    status.steps = status.steps_before = executor.step
    status.steps_total, status.state = task.steps(), executor.state
    status.votes, status.flagged = totals.votes, totals.flagged
    status.surplus = totals.surplus
    status.tokens, status.usd = spending.tokens, spending.usd
    return Mission(
        task,
        agent,
        executor,
        journal,
        status,
        switch,
        config.genesis,
        retries,
        planner=_planner(options, agent, journal),
    )


def _planner(options: RunOptions, agent: Microagent, journal: Journal) -> Planner | None:
    """What is left to settle by measuring the models."""
    if options.k == "auto":
        return PilotPlanner(agent, journal, options.target)
    if options.vote == "likelihood":
        return MixturePlanner(agent, journal, options.target, by_worth=options.mix == "evidence")
    return None


def summarise(config: RunConfig, run: RunDir, journal: Journal, final: RunState) -> Summary:
    """The journal's totals and the graph's last word as one object."""
    totals, head, task = journal.totals(), journal.head(), config.build_task()
    costs = [usage.cost_usd for usage in journal.usage()]
    status = cast(Status, final["status"])
    return Summary(
        run_id=run.run_id,
        task=task.label,
        status=status,
        verified=status == "solved",
        steps=head.step,
        steps_total=task.steps(),
        votes=totals.votes,
        flagged=totals.flagged,
        surplus_votes=totals.surplus,
        k=margin_in_force(config, journal),
        model=" ".join(config.options.model),
        tokens=Tokens(prompt=totals.prompt_tokens, completion=totals.completion_tokens),
        cost_usd=None if None in costs else round(sum(c for c in costs if c is not None), 6),
        seconds=round(totals.seconds, 3),
        run_dir=str(run.path),
        result=_result(task, head) if status in ("solved", "wrong") else "",
        message=final.get("message", ""),
        hash=head.hash.hex(),
    )


def _result(task: Task, head: Head) -> str:
    """What the finished task answers."""
    record = Record(head.action, head.state)
    return task.result(task.restore(record) if head.step else task.initial())


def margin_in_force(config: RunConfig, journal: Journal) -> int | None:
    """The margin given, or the one that the pilot has settled on; None before it has."""
    options = config.options
    if options.vote == "likelihood":
        return None
    if options.k != "auto":
        return options.k
    known = journal.get_meta("pilot")
    return Pilot.load(known, options.target, 0).k if known else None
