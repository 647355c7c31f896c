"""One working session on a run: open everything, drive the graph, sum up, close everything.

A run may take several sessions. Each holds the run's lease, starts from the journal's head with
the saved configuration, and ends with a summary written beside the journal.
"""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from langchain_core.runnables import RunnableConfig

from agents.budget import Budget, Limits
from agents.chunks import ChunkPipeline, Crew
from agents.executor import Executor
from agents.graph import RECURSION_LIMIT, Mission, RunState, build_graph
from agents.microagent import Microagent
from agents.mixture import turns
from agents.pilot import Pilot
from agents.pipeline import Draft, ModelDraft, Pipeline, TaskDraft
from agents.planning import MixturePlanner, PilotPlanner, Planner
from agents.policy import VotePolicy
from agents.retries import Retries
from agents.spending import Spending
from agents.status import RunStatus, StopSwitch
from cluster.connection import need_ray
from engines.base import Engine
from engines.spec import EngineOptions, check_spec, open_engine, parse_spec
from reason.checkpoints import open_saver, thread_of
from reason.errors import UsageError
from reason.settings import RunOptions
from reason.summary import Status, Summary, Tokens
from reason.telemetry import span, tracing
from runs.journal import Head, Journal
from runs.killpoints import reach
from runs.store import RunDir
from tasks.base import Record, Task
from tasks.catalog import Description, build_task, styles
from tasks.hanoi.task import BUNDLED

LONE_CHAIN = "without --speculate draft and a rule one node at a time works on a chain"


@dataclass(frozen=True)
class RunConfig:
    """What is solved and how; the whole of it is saved in the run directory."""

    task: Description
    options: RunOptions

    def to_dict(self) -> dict[str, Any]:
        """The JSON form kept in ``run.json``."""
        return {"task": self.task, "options": self.options.model_dump(mode="json")}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "RunConfig":
        """Read :meth:`to_dict` back."""
        return cls(data["task"], RunOptions.model_validate(data["options"]))

    def build_task(self) -> Task:
        """The task, in the style that the options and models call for."""
        return build_task(self.task, self.style)

    @property
    def style(self) -> Literal["paper", "compact"]:
        """The prompt style in force: what was asked for, or what suits the first model."""
        known, wanted = styles(str(self.task.get("name"))), self.options.style
        if wanted != "auto":
            if wanted not in known:
                raise UsageError(f"--style {wanted}: the task has only {' and '.join(known)}")
            return wanted
        spec = parse_spec(self.options.model[0])
        micro = spec.kind in ("embedded", "sim") or Path(spec.name).stem == BUNDLED.stem
        return "compact" if micro and "compact" in known else "paper"

    @property
    def genesis(self) -> bytes:
        """Where the hash chain starts: a digest of the problem alone.

        Equal solutions of one problem so end in equal hashes, whatever solved it.
        """
        return hashlib.sha256(json.dumps(self.task, sort_keys=True).encode()).digest()

    def policy(self, task: Task) -> VotePolicy:
        """The vote's settings, defaults filled in from the task."""
        options = self.options
        k = 1 if options.k == "auto" else options.k
        limit = options.max_votes or max(100, 10 * k)
        if limit < k:
            raise UsageError(f"--max-votes {limit} cannot decide a vote with --k {k}")
        return VotePolicy(
            k=k,
            rule=options.vote,
            first_temperature=options.first_temperature,
            temperature=options.temperature,
            max_tokens=options.max_tokens or task.max_tokens,
            max_votes=limit,
            on_no_convergence=options.on_no_convergence,
            red_flags=tuple(re.compile(pattern) for pattern in options.red_flag),
            variants=options.variants,
            ladder=tuple(options.ladder),
            check_transitions=options.check_transitions,
            schedule=self.schedule(),
        )

    def schedule(self) -> tuple[int, ...]:
        """Whose turn each draw is, before the models are measured."""
        models = len(self.options.model)
        if self.options.mix in ("turns", "evidence"):
            return ()
        weights = [int(weight) for weight in self.options.mix.split(",")]
        if len(weights) != models or not sum(weights):
            raise UsageError(
                f"--mix {self.options.mix} must give a weight to each of {models} models"
            )
        return turns(weights)

    def check(self) -> None:
        """Raise UsageError for anything that can be known to be wrong before starting."""
        options, task = self.options, self.build_task()
        if options.engine_cluster == "ray":
            need_ray()
        for spec in model_specs(options):
            check_spec(spec, engine_options(task, options))
        if (options.on_no_convergence == "escalate") != (options.escalate_model is not None):
            raise UsageError(
                "--on-no-convergence escalate and --escalate-model SPEC must be given together"
            )
        if options.draft_model and options.speculate != "draft":
            raise UsageError("--draft-model needs --speculate draft")
        if options.mix == "evidence" and options.vote != "likelihood":
            raise UsageError("--mix evidence needs --vote likelihood")
        if options.vote == "likelihood" and options.k == "auto":
            raise UsageError("--vote likelihood sets no margin: leave --k auto out")
        if options.variants > (known := len(task.variants())):
            raise UsageError(f"--variants {options.variants}: {task.label} has {known}")
        self.policy(task)


def model_specs(options: RunOptions) -> list[str]:
    """Every model of a run: the voters, then the escalation model, then the draft model."""
    return [*options.model, *filter(None, [options.escalate_model, options.draft_model])]


class Seats(NamedTuple):
    """The engines of a run by what they do."""

    voters: list[Engine]
    escalation: Engine | None
    drafters: list[Engine]


def seats(options: RunOptions, engines: Sequence[Engine]) -> Seats:
    """The engines of :func:`model_specs` in their places."""
    voters, rest = list(engines[: len(options.model)]), list(engines[len(options.model) :])
    return Seats(voters, rest.pop(0) if options.escalate_model else None, rest)


def step_pipeline(agent: Microagent, options: RunOptions, drafters: Sequence[Engine]) -> Pipeline:
    """What decides steps in this process."""
    if options.speculate == "none":
        return Pipeline(agent)
    draft: Draft | None = None
    if options.speculate == "draft":
        draft = ModelDraft(agent, drafters[0]) if drafters else TaskDraft(agent.task)
    return Pipeline(agent, options.window, draft)


def engine_options(task: Task, options: RunOptions) -> EngineOptions:
    """How the engines of a run are opened."""
    return EngineOptions(
        concurrency=options.concurrency,
        lean=options.transport == "lean",
        prices=options.prices,
        bundled=task.bundled_model,
        rehearse=task.rehearse,
        trace_share=options.trace_share,
    )


@asynccontextmanager
async def open_engines(specs: Sequence[str], options: EngineOptions) -> AsyncIterator[list[Engine]]:
    """Engines for the specs, each opened once, closed at the end."""
    async with AsyncExitStack() as stack:
        opened: dict[str, Engine] = {}
        for spec in specs:
            if spec not in opened:
                opened[spec] = _traced(open_engine(spec, options), options)
                stack.push_async_callback(opened[spec].close)
        yield [opened[spec] for spec in specs]


def _traced(engine: Engine, options: EngineOptions) -> Engine:
    if not tracing():
        return engine
    from engines.traced import Traced

    return Traced(engine, options.trace_share)


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
        pipeline = ChunkPipeline(agent, crew, budget, options.window if drafted else None)
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
