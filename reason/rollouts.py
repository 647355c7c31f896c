"""Where a training's rollouts are tried: in this process, or by the actors of a cluster."""

import asyncio
from dataclasses import dataclass

from agents.questions.desk import Manner
from agents.questions.prompting import MICRO, load_prompts
from cluster.crew import Crew
from engines.options import EngineOptions
from engines.spec import check_spec, is_micro, open_engine
from reason.asking import opened_as
from reason.errors import ReasonError
from training.decomposer.rollout import Rollout, Rollouts
from training.decomposer.rows import Row


def open_rollouts(spec: str, manner: Manner, options: EngineOptions) -> Rollouts:
    """Rollouts on a frozen solver in this process. Raises UsageError."""
    opened = opened_as("solver", spec)
    check_spec(opened, options)
    words = load_prompts(MICRO if is_micro(opened) or opened.startswith("sim") else None)
    engine = open_engine(opened, options)
    engine.spec = spec  # as the user wrote it, for records
    return Rollouts(engine, words, manner)


@dataclass(frozen=True)
class Trial:
    """A decomposition to try; without one the solver's first answer is wanted."""

    row: Row
    decomposition: str | None


@dataclass(frozen=True)
class Tried:
    """What came of a trial: a rollout, a first answer, or an error."""

    rollout: Rollout | None = None
    first: str = ""
    error: ReasonError | None = None


@dataclass(frozen=True)
class RolloutWork:
    """Rollouts; opens the solver on a node."""

    spec: str
    manner: Manner
    options: EngineOptions

    async def open(self) -> "RolloutWorker":
        """Open the solver."""
        return RolloutWorker(open_rollouts(self.spec, self.manner, self.options))


@dataclass(frozen=True)
class RolloutWorker:
    """Tries decompositions side by side."""

    rollouts: Rollouts

    async def do(self, item: Trial) -> Tried:
        """Try one."""
        try:
            if item.decomposition is None:
                return Tried(first=await self.rollouts.first(item.row))
            return Tried(await self.rollouts.run(item.row, item.decomposition))
        except ReasonError as error:
            return Tried(error=error)


class SpreadRollouts:
    """Rollouts tried by the actors of a cluster, as many at once on each as its engine takes.

    The crew is opened with the first trial, for it belongs to the loop that trials are made on.
    """

    def __init__(self, spec: str, manner: Manner, options: EngineOptions) -> None:
        self.spec, self.manner = spec, manner
        self._crew = Crew(RolloutWork(spec, manner, options), options.concurrency)
        self._opening: asyncio.Task[Crew] | None = None

    async def first(self, row: Row) -> str:
        """The solver's own first answer. Raises EngineError."""
        return (await self._try(Trial(row, None))).first

    async def run(self, row: Row, decomposition: str) -> Rollout | None:
        """Try a decomposition; see :meth:`training.decomposer.rollout.Rollouts.run`."""
        return (await self._try(Trial(row, decomposition))).rollout

    async def _try(self, trial: Trial) -> Tried:
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._crew.__aenter__())
        crew = await asyncio.shield(self._opening)
        tried: Tried = await crew.do(trial)
        if tried.error is not None:
            raise tried.error
        return tried

    async def close(self) -> None:
        """Dismiss the crew."""
        if self._opening is not None and not (await _failed(self._opening)):
            await self._crew.__aexit__()


async def _failed(opening: "asyncio.Task[Crew]") -> bool:
    await asyncio.wait([opening])
    return opening.cancelled() or opening.exception() is not None
