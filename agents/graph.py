"""The run as a LangGraph graph: plan -> execute chunk (again and again) -> verify.

The graph carries phases and positions; the journal carries the truth. One superstep executes a
chunk of steps, because a superstep costs milliseconds and a step microseconds. Its checkpointer
records where the run stood, so progress can be streamed and inspected with LangGraph's own tools;
a resumed run plans afresh from the journal's head, whatever the last checkpoint said.

A run that must stop (budget, engine, no convergence, interrupt) ends in its graph state with the
status and the reason; nothing but a UsageError is raised through the graph.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agents.executor import Executor, interrupted
from agents.microagent import Microagent
from agents.planning import Planner
from agents.retries import Retries
from agents.status import RunStatus, StopSwitch
from reason.errors import ReasonError, UsageError
from reason.telemetry import span
from runs.journal import Journal
from runs.verify import verified_records
from tasks.base import Record, Task, Verdict

CHUNK_STEPS = 4096
CHUNK_SECONDS = 5.0
RECURSION_LIMIT = 2**31 - 1


class RunState(TypedDict, total=False):
    """What a checkpoint holds: positions and results, never steps."""

    phase: Literal["execute", "verify", "end"]
    step: int
    k: int
    status: str
    message: str
    verdict: dict[str, Any]


@dataclass
class Mission:
    """Everything the nodes of one run share.

    Attributes:
        genesis: start of the journal's hash chain.
        retries: of the session's engines.
        planner: settles by measuring what the user left open, if anything.
    """

    task: Task
    agent: Microagent
    executor: Executor
    journal: Journal
    status: RunStatus
    switch: StopSwitch
    genesis: bytes
    retries: Retries
    planner: Planner | None = None

    async def plan(self, state: RunState) -> RunState:
        """Settle k and the starting point."""
        return await self._guarded(self._plan)

    async def execute(self, state: RunState) -> RunState:
        """Run one chunk of steps."""
        return await self._guarded(self._execute)

    async def verify(self, state: RunState) -> RunState:
        """Judge the finished journal offline."""
        self.status.phase = "verify"
        with span("reason.verify"):
            verdict = verify_journal(self.task, self.journal, self.genesis)
        self.status.phase = "done"
        return {
            "phase": "end",
            "status": "solved" if verdict.ok else "wrong",
            "message": verdict.reason,
            "verdict": {"ok": verdict.ok, "steps": verdict.steps},
        }

    async def _plan(self) -> RunState:
        if self.planner is not None:
            with span("reason.plan"):
                await self.planner.plan(self.executor)
        self.status.k = self.agent.policy.k
        return {"k": self.agent.policy.k, **self._next()}

    async def _execute(self) -> RunState:
        self.status.phase = "execute"
        with span("reason.chunk", first_step=self.executor.step + 1):
            try:
                await self.executor.run_chunk(CHUNK_STEPS, CHUNK_SECONDS)
            finally:
                self.retries.keep()
        return self._next()

    def _next(self) -> RunState:
        phase: Literal["execute", "verify"] = "verify" if self.executor.finished else "execute"
        return {"phase": phase, "step": self.executor.step}

    async def _guarded(self, work: Callable[[], Awaitable[RunState]]) -> RunState:
        """Run a node's work; an error of ours, or the stop switch, becomes the run's status."""
        self.switch.watch()
        try:
            if self.switch.pressed:
                raise interrupted(self.executor.step)
            return await work()
        except UsageError:
            raise  # nothing of the run's: told to whoever asked for it
        except ReasonError as error:
            return self._stopped(error)
        except asyncio.CancelledError:
            if not self.switch.pressed:
                raise
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            return self._stopped(interrupted(self.executor.step))
        finally:
            self.switch.release()

    def _stopped(self, error: ReasonError) -> RunState:
        self.status.phase = "done"
        step = self.executor.step
        return {"phase": "end", "step": step, "status": error.status, "message": str(error)}


def verify_journal(task: Task, journal: Journal, genesis: bytes) -> Verdict:
    """One pass over a journal: hash chain, contiguity, and the task's own check."""
    records = (Record(action, state) for action, state in verified_records(journal, genesis))
    return task.check(records)


def build_graph(
    mission: Mission, checkpointer: BaseCheckpointSaver[str] | None
) -> CompiledStateGraph[RunState]:
    """The compiled graph of one run."""
    graph = StateGraph(RunState)
    graph.add_node("plan", mission.plan)
    graph.add_node("execute", mission.execute)
    graph.add_node("verify", mission.verify)
    graph.add_edge(START, "plan")
    routes: dict[Hashable, str] = {"execute": "execute", "verify": "verify", "end": END}
    graph.add_conditional_edges("plan", _phase, routes)
    graph.add_conditional_edges("execute", _phase, routes)
    graph.add_edge("verify", END)
    return graph.compile(checkpointer=checkpointer)


def _phase(state: RunState) -> str:
    return state["phase"]
